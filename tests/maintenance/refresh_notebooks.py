"""Execute the notebooks in place and keep the committed file where nothing but noise changed.

    python tests/maintenance/refresh_notebooks.py [notebooks/01_who_waits.ipynb ...]

Solutions of exercises are measured with their notebook; `python tests/maintenance/make_solutions.py` then writes their
page. So is the thumbnail for README, where a cell's metadata has the code that draws it:
``{"thumbnail": {"code": "plots.thumbnail(...)"}}``; `python tests/maintenance/make_readme.py` then writes its file.

Noise is what nbval does not compare: pictures, the outputs of cells tagged nbval-ignore-output, and what is folded
beneath a claim (notebooks/nbval_sanitize.cfg). Three refreshes in a row leave an empty `git status`. `--all` writes
even so, to renew the pictures.
"""

import argparse
import re
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[2] / "notebooks"
TIMEOUT_S = 300  # nbclient's own is endless

#: What nbval is told not to compare of an output.
NOT_COMPARED = re.compile("|".join(re.findall("^regex: (.*)$", (FOLDER / "nbval_sanitize.cfg").read_text(), re.M)))


def executed(path: Path) -> nbformat.NotebookNode:
    """The notebook with fresh outputs, and without what differs from run to run for no reason."""
    book = nbformat.read(path, as_version=4)
    here = {"metadata": {"path": str(path.parent)}}
    own = len(book.cells)
    # Solutions of exercises (make_solutions.py) run last, with all that the notebook has measured.
    solved = [cell for cell in book.cells if cell.metadata.get("solution", {}).get("code")]
    pictured = [cell for cell in book.cells if "thumbnail" in cell.metadata]
    book.cells += [nbformat.v4.new_code_cell(cell.metadata["solution"]["code"]) for cell in solved]
    book.cells += [nbformat.v4.new_code_cell(cell.metadata["thumbnail"]["code"]) for cell in pictured]
    NotebookClient(book, timeout=TIMEOUT_S, record_timing=False, resources=here).execute()
    for cell, ran in zip(solved, book.cells[own : own + len(solved)], strict=True):
        (cell.metadata["solution"]["measured"],) = [o.data["text/plain"] for o in ran.outputs if "data" in o]
    for cell, ran in zip(pictured, book.cells[own + len(solved) :], strict=True):
        cell.metadata["thumbnail"]["png"] = next(
            o.data["image/png"] for o in ran.outputs if "image/png" in o.get("data", {})
        )
    del book.cells[own:]
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    book.metadata = nbformat.from_dict({"kernelspec": kernel, "language_info": {"name": "python"}})
    count = 0
    for cell in book.cells:
        kept = {name: cell.metadata[name] for name in ("tags", "solution", "thumbnail") if cell.metadata.get(name)}
        cell.metadata = nbformat.from_dict(kept)
        if cell.cell_type == "code":
            count += 1
            cell.execution_count = count
            for output in cell.outputs:
                output.pop("transient", None)
                if "execution_count" in output:
                    output.execution_count = count
                for kind in [k for k in output.get("data", {}) if "widget" in k]:
                    del output.data[kind]
    return book


def compared(book: nbformat.NotebookNode) -> list[object]:
    """What nbval compares, and what people read."""
    seen: list[object] = []
    for cell in book.cells:
        tags = cell.metadata.get("tags", [])
        outputs = []
        if cell.cell_type == "code" and "nbval-ignore-output" not in tags:
            for output in cell.outputs:
                data = {
                    kind: NOT_COMPARED.sub("", text) if isinstance(text, str) else text
                    for kind, text in output.get("data", {}).items()
                    if not kind.startswith("image/")
                }
                outputs.append((output.output_type, output.get("text"), data))
        small = cell.metadata.get("thumbnail", {}).get("code")
        seen.append((cell.cell_type, cell.id, cell.source, tags, cell.metadata.get("solution"), small, outputs))
    return seen


def refresh(path: Path, write_always: bool = False) -> bool:
    """Execute one notebook; whether its file was written."""
    before, after = nbformat.read(path, as_version=4), executed(path)
    never_run = any(c.cell_type == "code" and c.execution_count is None for c in before.cells)
    if not (write_always or never_run) and compared(before) == compared(after):
        return False
    nbformat.write(after, path)
    return True


def main(arguments: list[str] | None = None) -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--all", action="store_true", help="write even where nothing but noise changed")
    asked.add_argument("notebooks", nargs="*", type=Path, help="their files; every notebook where none is named")
    given = asked.parse_args(arguments)
    for path in given.notebooks or sorted(FOLDER.glob("*.ipynb")):
        print(f"{path.name}: {'written' if refresh(path, given.all) else 'unchanged'}", flush=True)


if __name__ == "__main__":
    main()
