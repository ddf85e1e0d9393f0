"""Bring README's claims table and the notebooks' thumbnails up to date.

    python tests/maintenance/make_readme.py

The table is of labkit/claims/recorded.json, which `labkit claims --repeats 20 --record` writes; a thumbnail is the
first figure that a notebook has stored, or the one named in `FIGURES`.
"""

import base64
import io
import re
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
FIGURES = {"00_tour": 3, "02_does_a_thread_help": 0, "07_async_modes": 2}


def claims_table(found: Recorded) -> str:
    """The 14 lines with their recorded verdicts, as Markdown."""
    rows = ["| | the advice says, in our words | verdict | |", "|---|---|---|---|"]
    verdicts = {slug: Verdict(CLAIMS[slug], each.status or "", 1.0) for slug, each in found.claims.items()}
    for line in LINES:
        judged = judge(line, verdicts)
        status = (found.lines[line.number].status or "not the same in every run").lower().removesuffix(" here")
        rows.append(f"| {line.number} | {line.quote} | **{status}** | {folded(judged.why)} |")
    least = {slug: each.smallest_headroom for slug, each in found.claims.items() if each.smallest_headroom is not None}
    tightest = min(least, key=lambda slug: least[slug])
    cores, python = found.environment["cores"], found.environment["python"]
    told = (
        f"\n*(`{found.command}`, {found.date[:10]}: {found.runs} runs of all claims on {cores} shared cores, "
        f"{found.environment['system']}, Python {python}, {found.environment['browser']}; smallest headroom, measured "
        f"over bound, {least[tightest]:.2f} of `{tightest}`.)*"
    )
    return "\n".join(rows) + "\n" + told + "\n"


def folded(why: str) -> str:
    """Reasons that are many are counted, and unfold at a click."""
    counts = [(said, len(cases.split(";"))) for said, cases in re.findall(r"(So for|Not so for): (.*?)\.(?= |$)", why)]
    if sum(count for _, count in counts) <= 2:
        return why
    summary = ", ".join(f"{said.lower()} {count}" for said, count in counts)
    return f"<details><summary>{summary}</summary>{why}</details>"


def with_table(text: str, table: str) -> str:
    """README with the table between its two marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table}\n{END}{after}"


def thumbnail(path: Path) -> bytes:
    """A small PNG of a notebook's figure."""
    outputs = (output for cell in nbformat.read(path, as_version=4).cells for output in cell.get("outputs", []))
    images = [output.data["image/png"] for output in outputs if "image/png" in output.get("data", {})]
    picture = Image.open(io.BytesIO(base64.b64decode(images[FIGURES.get(path.stem, 0)]))).convert("RGB")
    picture.thumbnail((WIDTH_PX, WIDTH_PX), Image.Resampling.LANCZOS)
    png = io.BytesIO()
    picture.quantize(64).save(png, format="PNG", optimize=True)
    return png.getvalue()


def main() -> None:
    found = recorded()
    if found is not None:
        README.write_text(with_table(README.read_text(encoding="utf-8"), claims_table(found)), encoding="utf-8")
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        (THUMBNAILS / f"{re.match(r'[0-9]+', path.name)[0]}.png").write_bytes(thumbnail(path))


if __name__ == "__main__":
    main()
