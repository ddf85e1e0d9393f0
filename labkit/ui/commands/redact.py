"""The command ``labkit redact``: secrets taken out of a recording, so that it can be kept and replayed."""

from pathlib import Path

import click

from labkit.base.errors import UsageError
from labkit.ui.commands import session


@click.command()
@click.argument("recorded", metavar="IN", type=click.Path(path_type=Path))
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--field", "fields", multiple=True, metavar="NAME", help="Fields of this name are secrets too.")
def redact(recorded: Path, out: Path, fields: tuple[str, ...]) -> None:
    """Take the secrets out of a recording, for labkit fire --replay.

    \b
    labkit redact monday.har monday.jsonl --field iban
        the events of a HAR of Chrome or Playwright, or of JSON Lines that labkit has written

    Out go fields whose names say so (password, token, secret, authorization, api_key, session, ...), JWTs and what
    follows Bearer wherever they stand, passwords and secret parameters in addresses. What clients said when they
    connected (cookies, headers, tokens) is not written at all. The same secret becomes the same hash, whose key is
    kept nowhere; a JWT keeps its head. Secrets under a name that says nothing are not found: look at what was written.
    Bytes stay as they are.

    Exit code: 0 written, 1 what reads a HAR is not installed, 2 wrong usage, or nothing in it that could be replayed.
    """
    from labkit.plan.redaction import Redactor
    from labkit.plan.replay import redacted

    if out.exists():
        raise UsageError(f"{out} is there already: name a new file")
    redactor = Redactor(fields)
    found = redacted(recorded, out, redactor)
    click.echo(f"{out}: {session.counted(found.events, 'event')}; look through it before you give it away.")
    told = ", ".join(f"{count:,} {kind}" for kind, count in redactor.counts.most_common())
    click.echo(f"Taken out: {told or 'nothing, no name and no form gave a secret away'}.")
    if found.left_out:
        click.echo(f"Left out: {', '.join(f'{count:,} {kind}' for kind, count in found.left_out.items())}.")
