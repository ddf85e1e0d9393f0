"""Bring README's claims table and the notebooks' thumbnails up to date.

    python tests/maintenance/make_readme.py

The table is of labkit/claims/recorded.json, which `labkit claims --repeats 20 --record` writes. A thumbnail is what a
refresh has drawn for it (`refresh_notebooks.py`); where it has drawn nothing, a figure of the notebook, reduced: the
first, or the one named in `FIGURES`.
"""

import argparse
import base64
import io
import re
from collections.abc import Sequence
from pathlib import Path

import nbformat
from PIL import Image

from labkit.claims import CLAIMS, LINES, Recorded, Verdict, recorded
from labkit.claims.line import judge

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
THUMBNAILS = ROOT / ".readme"
BEGIN, END = "<!-- claims -->\n", "<!-- /claims -->\n"
WIDTH_PX = 260

#: Which figure stands for a notebook, where it is not the first.
FIGURES = {"00_tour": 3, "02_does_a_thread_help": 0, "07_async_modes": 2, "12_scale_out": 1}

#: Lines of the advice that are too long for a table, in fewer words; the others are told as `labkit claims` tells them.
IN_SHORT = {
    1: "How events are processed and rendered affects responsiveness",
    7: "A: several DOM updates per event, several reflows; bad",
    8: "B, batched: fewer DOM operations, one reflow per batch; good",
    9: "Slow event processing delays style, layout and paint",
    12: "Use background threads for expensive work; batch DOM updates",
    13: "Heavy handlers block the main thread, which causes input delay",
    14: "Record in DevTools; look for long tasks while events are handled",
}


def claims_table(found: Recorded) -> str:
    """The 14 lines with their recorded verdicts, as Markdown: of each line one case in which it is so, and one not."""
    rows = ["| the advice says, in short | verdict | true for | not true for |", "|---|---|---|---|"]
    verdicts = {slug: Verdict(CLAIMS[slug], each.status or "", 1.0) for slug, each in found.claims.items()}
    for line in LINES:
        status = (found.lines[line.number].status or "not the same in every run").lower().removesuffix(" here")
        judged = judge(line, verdicts)
        said = IN_SHORT.get(line.number, line.quote.removesuffix("."))
        rows.append(f"| {line.number}. {said} | **{status}** | {one_of(judged.so)} | {one_of(judged.not_so)} |")
    machine = found.environment
    told = (
        f"\n*(`{found.command}`, {found.date[:10]}: {found.runs} runs on {machine['cores']} shared cores, "
        f"{machine['system']}, Python {machine['python']}, {machine['browser']}.)*"
    )
    return "\n".join(rows) + "\n" + told + "\n"


def one_of(cases: Sequence[str]) -> str:
    """The first case; nothing where there is none. `labkit claims` tells them all."""
    return cases[0] if cases else ""


def with_table(text: str, table: str) -> str:
    """README with the table between its two marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table}\n{END}{after}"


def thumbnail(path: Path) -> bytes:
    """A small PNG of what a notebook finds."""
    cells = nbformat.read(path, as_version=4).cells
    drawn = [cell.metadata["thumbnail"]["png"] for cell in cells if "png" in cell.metadata.get("thumbnail", {})]
    outputs = (output for cell in cells for output in cell.get("outputs", []))
    images = [output.data["image/png"] for output in outputs if "image/png" in output.get("data", {})]
    chosen = drawn[0] if drawn else images[FIGURES.get(path.stem, 0)]
    picture = Image.open(io.BytesIO(base64.b64decode(chosen))).convert("RGB")
    picture.thumbnail((WIDTH_PX, WIDTH_PX), Image.Resampling.LANCZOS)
    png = io.BytesIO()
    picture.quantize(64).save(png, format="PNG", optimize=True)
    return png.getvalue()


def main(arguments: list[str] | None = None) -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args(
        arguments
    )
    found = recorded()
    if found is not None:
        README.write_text(with_table(README.read_text(encoding="utf-8"), claims_table(found)), encoding="utf-8")
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        (THUMBNAILS / f"{re.match(r'[0-9]+', path.name)[0]}.png").write_bytes(thumbnail(path))


if __name__ == "__main__":
    main()
