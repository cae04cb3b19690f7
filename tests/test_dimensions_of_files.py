"""Subscript ranges of model files: what a subscript of a reference stands for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jevons.interchange.dimensions import Dimensions, SubscriptMistake, canonical


@dataclass
class Written:
    """A range as a reader gives it."""

    name: str
    subscripts: Any
    mapping: list[str] = field(default_factory=list)


def ranges(*written, listed=None, read=None):
    return Dimensions([Written(*each) for each in written], read, listed)


FAMILY = (("A", ["a1", "a2", "a3"]), ("S", ["a2", "a3"]), ("Copy", "A"), ("B", ["b1", "b2", "b3"], ["A"]))


@pytest.mark.parametrize(
    ("subscript", "binding", "found"),
    [
        ("a2", {"s": "a3"}, ("a2", "")),
        ("A", {"a": "a1"}, ("a1", "a")),
        ("S", {"a": "a2"}, ("a2", "a")),
        ("A", {"s": "a3"}, ("a3", "s")),
        ("A", {"a2": "a2"}, ("a2", "a2")),
        ("Copy", {"a": "a1"}, ("a1", "a")),
        ("A", {"copy": "a2", "a": "a1"}, ("a1", "a")),
        ("B", {"a": "a2"}, ("b2", "a")),
        ("A", {"b": "b3"}, ("a3", "b")),
        ("S", {"b": "b3"}, ("a3", "b")),
        ("A!", {"a!": "a3", "a": "a1"}, ("a3", "a!")),
    ],
)
def test_what_a_subscript_stands_for(subscript, binding, found):
    assert ranges(*FAMILY).resolve(subscript, binding) == found


def test_a_range_that_has_served_does_not_serve_twice():
    family = ranges(*FAMILY)
    binding = {"copy": "a2", "s": "a3"}
    assert family.resolve("A", binding) == ("a2", "copy")
    assert family.resolve("A", binding, frozenset({"copy"})) == ("a3", "s")


@pytest.mark.parametrize(
    ("subscript", "binding", "message"),
    [
        ("B", {}, "range 'B' is not among the subscripts of the left side (none)"),
        ("B", {"other": "x"}, "range 'B' is not among the subscripts of the left side (Other)"),
        ("b9", {}, "subscript 'b9' is not defined; did you mean 'b3'?"),
        ("A!", {"a": "a1"}, "`A!` outside of a function over a range, for example SUM"),
        ("S", {"a": "a1"}, "range 'S' is not among the subscripts of the left side (A)"),
    ],
)
def test_what_stands_for_nothing(subscript, binding, message):
    with pytest.raises(SubscriptMistake) as caught:
        ranges(*FAMILY, ("Other", ["x", "y"])).resolve(subscript, binding)
    assert str(caught.value) == message


def test_a_range_of_one_label_needs_no_left_side():
    assert ranges(("Only", ["x"])).resolve("only", {}) == ("x", "")


def test_mapping_by_list_goes_both_ways():
    family = ranges(("Warm", ["w1", "w2"]), ("Cold", ["c1", "c2"]), listed={"Warm": {"Cold": ("c2", "c1")}})
    assert family.resolve("Warm", {"cold": "c1"}) == ("w2", "cold")
    assert family.resolve("Cold", {"warm": "w1"}) == ("c2", "warm")


def test_mapping_by_list_of_ranges():
    family = ranges(
        ("World", ["w1", "w2"]), ("Region", ["r1", "r2", "r3"]), ("Rich", ["r1", "r3"]),
        listed={"World": {"Region": ("rich", "r2")}},
    )  # fmt: skip
    assert [family.resolve("World", {"region": r})[0] for r in ("r1", "r2", "r3")] == ["w1", "w2", "w1"]


def test_ranges_of_ranges_hold_their_labels():
    family = ranges(("All", ["Low", "High"]), ("Low", ["a", "b"]), ("High", ["c"]))
    assert family.labels["all"] == ("a", "b", "c")
    assert family.number("c", {}) == 3
    assert family.number("low", {"low": "b"}) == 2
    assert family.number("low", {}) is None
    assert ranges(*FAMILY).number("b", {"a": "a3"}) == 3
    assert family.number("nothing", {}) is None


def test_labels_from_a_file():
    assert ranges(("A", {"file": "f"}), read=lambda call: [call["file"], "g"]).labels["a"] == ("f", "g")
    with pytest.raises(SubscriptMistake, match="range 'A' is read from a file, which is not given"):
        ranges(("A", {"file": "f"}))


def test_names_stay_as_they_are_written():
    family = ranges(('"Big  Region"', ["North West", '"a, b"']))
    assert family.label_names(family.labels["big_region"]) == "North West,a, b"
    assert family.names["big_region"] == "Big Region"


_WORDS = st.lists(st.text(alphabet="aBcÄ1", min_size=1, max_size=4), min_size=1, max_size=4)


@given(_WORDS, st.sampled_from([" ", "_", "  ", " _ ", "\t", "\\n"]))
def test_case_blanks_and_quotes_do_not_tell_names_apart(words, between):
    written, loud = between.join(words), between.join(word.upper() for word in words)
    expected = "_".join(words).lower()
    assert canonical(written) == canonical(f' "{written}" ') == canonical(loud) == expected
    assert canonical(expected) == expected


@given(
    sizes=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    excepted=st.lists(st.lists(st.integers(0, 4), min_size=3, max_size=3), max_size=3),
)
def test_exceptions_take_away_what_they_name_and_no_more(sizes, excepted):
    """A number out of range names the whole range."""
    names = [f"r{i}" for i in range(len(sizes))]
    family = ranges(*((n, [f"{n}x{k}" for k in range(size)]) for n, size in zip(names, sizes, strict=True)))
    groups = [
        [f"{n}x{k}" if k < size else n for n, size, k in zip(names, sizes, row, strict=False)] for row in excepted
    ]
    kept = {tuple(b.values()) for b in family.combinations(names, groups)}

    def taken(labels):
        return any(all(g in (label, n) for g, label, n in zip(row, labels, names, strict=True)) for row in groups)

    every = {tuple(b.values()) for b in family.combinations(names)}
    assert kept == {labels for labels in every if not taken(labels)}
