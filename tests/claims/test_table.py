"""The table: no measured number where a notebook compares text, all of them in the file; recorded beside here."""

import dataclasses
import json
import re
import subprocess
import sys
import zipfile
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest

from labkit.base.errors import RecordError, UsageError
from labkit.claims import DOES_NOT_HOLD, HOLDS, LINES, NOT_TESTABLE, Missing, claims_table, recorded, table
from labkit.claims import published as recording
from labkit.claims.line import judge
from labkit.ui import claims_page
from tests.support.judged import SLUGS, alone, neighbours, verdict, verdicts

MEASURED = {"one event": alone(), "computing": neighbours()}


def lines(**others):
    return [judge(line, verdicts(**others)) for line in LINES]


def published(*runs):
    return recording.summarised(runs or [lines()], {"python": "3", "system": "S", "cores": 2}, "labkit claims")


class Nesting(HTMLParser):
    """Every element that is opened is closed, in order."""

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def well_formed(text):
    parser = Nesting()
    parser.feed(text)
    return parser.open == []


# --- what a notebook shows ---


def test_the_table_has_a_row_a_line_and_no_measured_number():
    found = claims_table(MEASURED)
    for text in (repr(found), unescape(re.sub(r"<[^>]+>", " ", found._repr_html_()))):
        numbers = [int(number) for number in re.findall(r"\d+", text)]
        assert sorted(numbers) == list(range(1, 15))
    assert well_formed(found._repr_html_())


def test_a_line_by_itself_says_in_two_lists_for_whom_it_is_true():
    found = claims_table(MEASURED, lines=[13])
    said = repr(found[13]).splitlines()
    assert said[0] == f"DEPENDS: {LINES[12].quote}"
    assert [each for each in said if each.endswith(":")] == ["  True for:", "  Not true for:"]
    assert [each.removeprefix("  - ") for each in said if each.startswith("  - ")] == [
        *found[13].so,
        *found[13].not_so,
    ]
    assert said[-1] == "  The rest could not be tested here."
    assert not any(c.isdigit() for c in repr(found[13]))
    page = found[13]._repr_html_()
    assert well_formed(page)
    assert page.count("<li>") == len(found[13].so) + len(found[13].not_so)
    with pytest.raises(UsageError, match="line 2 is not in this table: 13 are"):
        _ = found[2]


def test_a_line_that_could_not_be_tested_says_why():
    found = claims_table({"page, pipeline": Missing("There is no <browser>.")}, lines=[9])
    assert repr(found[9]).splitlines()[1:] == ["  There is no <browser>."]
    assert "<p>There is no &lt;browser&gt;.</p>" in found[9]._repr_html_()


def test_in_a_notebook_each_line_of_the_table_unfolds():
    found = claims_table(MEASURED)
    page = found._repr_html_()
    assert page.count("<details>") == len(LINES)
    assert all(each.cases_html() in page for each in found.lines)
    assert "True for" not in repr(found)


def test_headrooms_are_the_numbers_of_this_machine():
    said = repr(claims_table(MEASURED, lines=[2]).headrooms())
    assert re.search(r"neighbours-wait +server thread +one client and many +HOLDS +8.00 times its bound", said)


def test_the_same_measurements_give_the_same_text():
    assert repr(claims_table(MEASURED)) == repr(claims_table(dict(MEASURED)))


# --- judging ---


def test_a_claim_is_judged_on_the_step_that_serves_it():
    found = claims_table({**MEASURED, "waiting": Missing("It broke.")}, lines=[2]).verdicts
    assert found["neighbours-wait"].status == HOLDS
    assert (found["waiting-flips-it"].status, found["waiting-flips-it"].why) == (NOT_TESTABLE, "It broke.")
    assert found["gevent-waits-well"].why == "modes, waiting: not measured."


def test_of_two_steps_that_serve_a_claim_the_worse_counts():
    good, bad = neighbours(), neighbours() + dataclasses.replace(neighbours(), runs=(lossy(),))
    assert claims_table({"computing": good, "waiting": good}).verdicts["ledger-is-closed"].status == HOLDS
    assert claims_table({"computing": good, "waiting": bad}).verdicts["ledger-is-closed"].status == DOES_NOT_HOLD
    assert claims_table({"computing": good}).verdicts["ledger-is-closed"].status == HOLDS


def lossy():
    from tests.support import simulated

    return simulated.run("mine", outcomes={"timed out": 1})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(({"computed": 1},), "no step is called 'computed': there are one event, computing"), (({},), "no line 15")],
)
def test_what_there_is_not_is_refused(arguments, said):
    with pytest.raises(UsageError, match=said):
        claims_table(*arguments, lines=[15])


def test_readings_are_those_of_the_deciding_claims():
    assert table.readings(judge(LINES[3], verdicts())) == ("page",)
    assert set(table.readings(judge(LINES[1], verdicts()))) == {"connection", "server thread", "page"}


# --- the file and the page ---


def test_the_json_says_all_and_holds_no_nan():
    found = claims_table(MEASURED, published=published())
    about = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert [line["number"] for line in about["lines"]] == list(range(1, 15))
    assert {claim["slug"] for claim in about["claims"]} == set(SLUGS)
    by = {claim["slug"]: claim for claim in about["claims"]}
    assert by["neighbours-wait"]["headroom"] == 8.0
    assert (by["to-sid-repairs-it"]["headroom"], by["to-sid-repairs-it"]["exact"]) == (None, True)
    assert by["neighbours-wait"]["recorded"] == {"status": HOLDS, "held": 1, "judged": 1, "smallest_headroom": 2.0}
    assert about["environment"]["browser"] is None


@pytest.mark.parametrize("known", [None, published()])
def test_the_page_is_well_formed_complete_and_escaped(known):
    found = dataclasses.replace(claims_table(MEASURED), published=known)
    first = dataclasses.replace(found.lines[0], why="<script>")
    page = claims_page.html(dataclasses.replace(found, lines=(first, *found.lines[1:])))
    assert well_formed(page)
    assert "<script" not in page
    assert all(f'id="line-{n}"' in page for n in range(1, 15))
    assert "8.00 times its bound" in page
    assert page.count('src="data:image/png;base64,') == 1
    assert not re.search(r'(src|href)="(?!#|data:image/png|https://(github\.com|web\.dev)/)', page)


# --- what was recorded ---


def test_what_all_runs_agree_on_is_recorded_and_nothing_else():
    found = published(lines(), lines(), lines(page_decides_inp=DOES_NOT_HOLD))
    assert (found.runs, found.lines[4].status, found.lines[4].reproduced) == (3, None, 2)
    assert (found.lines[9].status, found.lines[9].reproduced) == (HOLDS, 3)
    claim = found.claims["page-decides-inp"]
    assert (claim.status, claim.held, claim.judged, claim.smallest_headroom) == (None, 2, 3, 0.5)
    assert found.claims["to-sid-repairs-it"].smallest_headroom is None


def test_what_could_not_be_judged_counts_for_nothing():
    claim = published(lines(), lines(page_decides_inp=NOT_TESTABLE)).claims["page-decides-inp"]
    assert (claim.status, claim.held, claim.judged, claim.smallest_headroom) == (None, 1, 1, 2.0)


def test_nothing_differs_from_itself():
    assert published().differences(lines()) == ()


def test_what_differs_is_said_of_claim_and_line():
    assert published().differences(lines(page_decides_inp=DOES_NOT_HOLD)) == (
        "Line 4: HOLDS, recorded as DOES NOT HOLD HERE.",
        "Line 11: HOLDS, recorded as DEPENDS.",
        "page-decides-inp: DOES NOT HOLD HERE, recorded as HOLDS.",
    )


def test_what_could_not_be_tested_does_not_differ():
    assert published().differences(lines(page_decides_inp=NOT_TESTABLE, script_in_page_ruins_inp=NOT_TESTABLE)) == ()
    assert published(lines(), lines(page_decides_inp=DOES_NOT_HOLD)).differences(lines()) == ()


def test_a_recorded_file_comes_back_as_it_was(tmp_path):
    found = published(lines(), lines(page_decides_inp=DOES_NOT_HOLD))
    assert recording.Recorded.load(found.save(tmp_path / "recorded.json")) == found


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema_version": 2}', '{"schema_version": 1, "runs": "x"}'])
def test_a_damaged_or_newer_file_is_refused_in_a_sentence(text, tmp_path):
    (tmp_path / "recorded.json").write_text(text)
    with pytest.raises(RecordError):
        recording.Recorded.load(tmp_path / "recorded.json")


def test_a_file_that_is_not_there_is_refused_or_none(tmp_path, monkeypatch):
    with pytest.raises(RecordError, match="--record"):
        recording.Recorded.load(tmp_path / "no.json")
    monkeypatch.setattr(recording, "FILE", tmp_path / "no.json")
    assert recorded() is None


def test_a_file_that_cannot_be_written_says_where_to_record(tmp_path):
    with pytest.raises(UsageError, match="clone of the repository"):
        published().save(tmp_path / "no folder" / "recorded.json")


def test_what_was_published_with_this_version_is_of_these_claims():
    found = recorded()
    if found is not None:
        assert set(found.lines) == set(range(1, 15))
        assert set(found.claims) == set(SLUGS)
        assert found.command.startswith("labkit claims --repeats")


@pytest.mark.measured
def test_the_wheel_carries_the_page_and_what_was_recorded(tmp_path):
    root = Path(__file__).parents[2]
    code = (
        "import sys; from hatchling.builders.wheel import WheelBuilder; "
        "print(next(WheelBuilder(sys.argv[1]).build(directory=sys.argv[2], versions=['standard'])))"
    )
    subprocess.run([sys.executable, "-c", code, root, tmp_path], check=True, capture_output=True, timeout=60)
    (wheel,) = tmp_path.glob("*.whl")
    inside = zipfile.ZipFile(wheel).namelist()
    for room in ("claims", "ui"):
        kept = {p.name for p in (root / "labkit" / room).iterdir() if p.suffix in (".json", ".j2", ".css", ".js")}
        assert kept
        assert {f"labkit/{room}/{name}" for name in kept} <= set(inside)


def test_verdicts_made_by_hand_are_what_they_say():
    assert verdict("neighbours-wait", HOLDS).measured == "2.00 times its bound"
    assert verdict("neighbours-wait", NOT_TESTABLE).measured == "-"
    assert verdict("to-sid-repairs-it", HOLDS).measured == "exact count"
