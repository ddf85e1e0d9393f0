"""A version of the reader's code: what is in a ref, what is refused, and that nothing stays in the repository."""

import subprocess

import pytest

from labkit.base.checkout import checked_out, source
from labkit.base.errors import UsageError

pytestmark = pytest.mark.measured


def git(folder, *arguments):
    who = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    return subprocess.run(["git", "-C", folder, *who, *arguments], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repository(tmp_path):
    """`app.py` says one at the branch `first`, two at HEAD; so does the folder `inner`."""
    root = tmp_path / "repository"
    (root / "inner").mkdir(parents=True)
    git(root, "init", "-q")
    for said in ("one", "two"):
        for folder in (root, root / "inner"):
            (folder / "app.py").write_text(said)
        git(root, "add", "-A")
        git(root, "commit", "-qm", said)
        git(root, "branch", said)
    return root


def inside(repository):
    return sorted(str(path) for path in (repository / ".git").rglob("*"))


def test_a_ref_is_written_elsewhere_and_leaves_nothing(repository, monkeypatch):
    (repository / "app.py").write_text("three")
    monkeypatch.setenv("GIT_DIR", "/nowhere")  # as within a hook
    before = inside(repository)
    with checked_out(source("one", repository)) as folder:
        assert (folder / "app.py").read_text() == "one"
        assert folder != repository
    assert not folder.exists()
    assert inside(repository) == before
    assert (repository / "app.py").read_text() == "three"


def test_a_folder_within_a_repository_is_that_folder_in_the_ref(repository):
    with checked_out(source("one", repository / "inner")) as folder:
        assert [path.name for path in folder.iterdir()] == ["app.py"]


def test_a_folder_is_taken_as_it_is(repository):
    assert source(str(repository), repository).notes == ()
    (repository / "app.py").write_text("three")
    version = source(str(repository), repository)
    assert "the working tree as it is, with 1 file changed" in version.notes[0]
    with checked_out(version) as folder:
        assert folder == repository.resolve()
    assert folder.exists()


def test_a_folder_that_the_ref_lacks(repository):
    (repository / "new").mkdir()
    with pytest.raises(UsageError, match="has no folder new"), checked_out(source("one", repository / "new")):
        pass


@pytest.mark.parametrize("ref", ["three", "one..two", "--help", "", "one:app.py"])
def test_what_is_no_ref(repository, ref):
    with pytest.raises(UsageError, match=r"is no folder, and no ref|is no folder"):
        source(ref or "no-ref", repository)


def test_without_a_repository_or_git(tmp_path, monkeypatch):
    with pytest.raises(UsageError, match="in no git repository"):
        source("main", tmp_path)
    (tmp_path / "main").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        source(str(tmp_path / "main"), tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="git is not installed"):
        source("main", tmp_path)
