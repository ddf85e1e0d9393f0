"""The tree that the docstring draws is the tree that there is."""

import inspect
import re

import labkit
from labkit.base import errors


def drawn():
    """Each name in the docstring's tree, with the name that it hangs on and its description."""
    tree, path = {}, []
    for line in errors.__doc__.splitlines():
        if match := re.fullmatch(r"    ((?:[|+][ -]{3}|    )*)([A-Z]\w+) *(.*)", line):
            depth = len(match[1]) // 4
            path[depth:] = [match[2]]
            tree[match[2]] = (path[depth - 1] if depth else "Exception", match[3])
    return tree


def classes():
    found = inspect.getmembers(errors, inspect.isclass)
    return {name: thing for name, thing in found if thing.__module__ == errors.__name__}


def test_the_tree_of_the_docstring_is_the_tree_of_classes():
    assert {name: above for name, (above, _) in drawn().items()} == {
        name: thing.__base__.__name__ for name, thing in classes().items()
    }


def test_every_error_is_a_lab_error():
    assert len(classes()) > 10
    assert all(issubclass(thing, errors.LabError) for thing in classes().values())
    assert labkit.LabError is errors.LabError


def test_every_class_says_what_the_tree_says():
    for name, thing in classes().items():
        assert thing.__doc__.strip().endswith("."), name
        if name != "LabError":
            assert drawn()[name][1], f"{name} has no description in the tree"
