"""The command `labkit redact`: what it writes, what it says, and its sentences."""

from labkit.plan.replay import replay
from tests.support.recorded_traffic import har, sent, socket
from tests.ui.commands.running import assert_is_refused, labkit


def is_refused(result, said):
    assert_is_refused(result)
    assert said in result.stderr


def test_secrets_are_counted_by_kind_and_the_file_can_be_replayed(tmp_path):
    login = sent(0, '42["login",{"password":"hunter22","iban":"DE12"}]')
    before = har(tmp_path / "a.har", socket(login, sent(1, '42["cut')))
    result = labkit("redact", before, tmp_path / "a.jsonl", "--field", "iban")
    assert result.exit_code == 0, result.stderr
    assert "1 event; look through it" in result.stdout
    assert "1 fields named password, 1 fields named iban" in result.stdout
    assert "Left out: 1 packets that are cut or no Socket.IO." in result.stdout
    assert "hunter22" not in (tmp_path / "a.jsonl").read_text()
    assert replay(tmp_path / "a.jsonl").names == ("login",)
    is_refused(labkit("redact", before, tmp_path / "a.jsonl"), "is there already")


def test_what_cannot_be_redacted_is_told_and_leaves_no_file(tmp_path):
    (tmp_path / "a.har").write_text('{"log": {"entries": [')
    is_refused(labkit("redact", tmp_path / "a.har", tmp_path / "b.jsonl"), "is cut short or no JSON")
    is_refused(labkit("redact", tmp_path / "none", tmp_path / "b.jsonl"), "cannot be read")
    empty = har(tmp_path / "a.har", socket(sent(0, "40")))
    is_refused(labkit("redact", empty, tmp_path / "b.jsonl"), "no event that a client sent")
    is_refused(labkit("redact", empty, tmp_path / "gone" / "b.jsonl"), "cannot be written")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.har"]
