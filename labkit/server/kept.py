"""Lines that are kept for people to read, and of which a stranger cannot order without end."""

#: Nobody reads more, and each could be a traceback of some kB.
MAX_LINES, MAX_CHARACTERS = 10_000, 10_000


class Kept(list[str]):
    """Takes the first :data:`MAX_LINES` lines, each up to :data:`MAX_CHARACTERS`, and drops what follows."""

    def append(self, line: str) -> None:
        """Keep a line, where there is still room."""
        if len(self) < MAX_LINES:
            super().append(line[:MAX_CHARACTERS])
