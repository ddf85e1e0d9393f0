"""Hooks on instances, and the attributes as they were."""

from labkit.inside.placed import Placed


class Owner:
    kept = "the class's"

    def method(self):
        return "the method"


def test_what_was_not_there_is_not_there_again():
    owner, placed = Owner(), Placed()
    placed.put(owner, "method", lambda: "hooked")
    assert owner.method() == "hooked"
    assert placed.take_off()
    assert vars(owner) == {}
    assert owner.method() == "the method"


def test_what_was_there_is_the_same_object_again():
    owner, table, before = Owner(), {}, object()
    owner.kept = table["key"] = before
    placed = Placed()
    placed.put(owner, "kept", 1)
    placed.put(table, "key", 2)
    placed.put(table, "new", 3)
    assert placed.take_off()
    assert owner.kept is before
    assert table == {"key": before}


def test_two_hooks_come_off_in_turn():
    owner, placed = Owner(), Placed()
    placed.put(owner, "kept", 1)
    placed.put(owner, "kept", 2)
    assert placed.take_off()
    assert vars(owner) == {}


def test_one_name_alone():
    owner, placed = Owner(), Placed()
    placed.put(owner, "kept", 1)
    placed.put(owner, "method", 2)
    assert placed.take_off("kept")
    assert vars(owner) == {"method": 2}
    assert placed.take_off()
    assert vars(owner) == {}


def test_somebody_elses_hook_in_front_stays():
    owner, placed = Owner(), Placed()
    placed.put(owner, "kept", 1)
    owner.kept = "another's"
    assert placed.take_off() is False
    assert owner.kept == "another's"
    assert placed.take_off()  # told once
