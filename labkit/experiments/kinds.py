"""The kinds of work, by what a function does with its time and with the GIL."""

#: The kinds; `kind` of a diagnosis is one of them.
WAITS, HOLDS, RELEASES, MIXED = "waits", "computes, holds the GIL", "computes, releases the GIL", "mixed"

#: A share from which work counts as wholly of one kind, and up to which it counts as not of that kind at all.
MOST, LEAST = 0.8, 0.2

#: CPU time of other threads and of child processes, from which on it is they who compute, as a share of a call's time.
ELSEWHERE = 0.2


def kind_of(waiting: float, held: float, elsewhere: float = 0.0) -> str:
    """The kind, of two shares. Who holds the GIL holds it, whether computing or waiting.

    Args:
        waiting: the share of its time in which its thread waits.
        held: the share in which no other thread could have the GIL.
        elsewhere: the CPU time that others spend for it meanwhile: who waits for those does not merely wait.
    """
    if elsewhere > ELSEWHERE:
        # Children queue for cores, which cannot be told from waiting: who waits for them waits for what they compute.
        waiting = 0.0 if waiting >= MOST else max(0.0, waiting - elsewhere)
    if held >= MOST:
        return HOLDS
    if held <= LEAST and waiting >= MOST:
        return WAITS
    if held <= LEAST and waiting <= LEAST:
        return RELEASES
    return MIXED
