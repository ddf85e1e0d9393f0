"""Text that a notebook shows as itself."""


class Plain(str):
    """A string whose repr is the text: no quotes, no ``\\n``."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)
