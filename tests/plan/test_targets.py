"""What events carry, from the command line."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.base.errors import WorkloadError
from labkit.plan.targets import read

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(values)
def test_json_is_one_payload(value):
    assert read(json.dumps(value)) == [value]


def test_a_file_has_one_a_line_and_blank_lines_are_none(tmp_path):
    (tmp_path / "orders.jsonl").write_text('{"id": 1}\n\n[2]\n"drei"\n', encoding="utf-8")
    assert read(str(tmp_path / "orders.jsonl")) == [{"id": 1}, [2], "drei"]


@pytest.mark.parametrize("data", ["{'id': 1}", "no-such-file.json", "", "x" * 5000])
def test_neither_json_nor_a_file(data):
    with pytest.raises(WorkloadError, match=r"--data is neither JSON .* nor a file"):
        read(data)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"1\nnonsense\n", "line 2 of .* is not JSON"), (b"\n \n", "is empty"), (b"\xff\xfe", "cannot be read")],
)
def test_a_file_that_cannot_be_used(content, message, tmp_path):
    (tmp_path / "data").write_bytes(content)
    with pytest.raises(WorkloadError, match=message) as caught:
        read(str(tmp_path / "data"))
    assert "\n" not in str(caught.value)
