"""Looking names up in an upstream's list."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from strongroom.core import name_list
from strongroom.core.lookalikes import find_lookalikes as find_among
from strongroom.core.name_list import find_lookalikes, holds_name
from strongroom.core.names import ProjectName, normalize_project_name, parse_project_name

NAMES = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,6}[a-z0-9])?", fullmatch=True).map(normalize_project_name)
ALIKE = st.from_regex(r"[lio01]([lio01-]{0,4}[lio01])?", fullmatch=True).map(normalize_project_name)


def as_blob(names: list[str]) -> bytes:
    """Write the list as it is stored."""
    return "".join(f"{name}\n" for name in sorted(set(names))).encode()


@given(st.lists(NAMES | ALIKE, max_size=40), NAMES | ALIKE)
def test_a_name_is_held_when_it_is_listed(names: list[str], other: str) -> None:
    """Every listed name is found, and no other."""
    blob = as_blob(names)
    assert all(holds_name(blob, ProjectName(name)) for name in names)
    assert holds_name(blob, ProjectName(other)) == (other in names)


def test_beginnings_and_ends_of_names_are_not_names() -> None:
    """Only whole lines count."""
    blob = as_blob(["django", "django-extensions", "flask"])
    for name in ("d", "djang", "jango", "django-", "extensions", "flask2", "a", "z"):
        assert not holds_name(blob, ProjectName(name))


@given(st.lists(ALIKE | NAMES, max_size=40), ALIKE)
def test_lookalikes_are_those_of_the_whole_list(names: list[str], name: str) -> None:
    """The same as comparing with each name, without doing so."""
    listed = [ProjectName(other) for other in sorted(set(names))]
    assert find_lookalikes(as_blob(names), ProjectName(name), limit=100) == find_among(ProjectName(name), listed)


def test_lookalikes_far_down_a_long_list() -> None:
    """Lines are counted over more than one stretch."""
    names = [f"name-{number}" for number in range(40_000)]
    assert len(as_blob(names)) > 5 * name_list._STRETCH
    for number in (0, 1, 9_999, 17_171, 39_999):
        found = find_lookalikes(as_blob(names), parse_project_name(f"na-me{number}".replace("0", "o")), limit=9)
        assert f"name-{number}" in found


def test_a_name_does_not_look_like_itself() -> None:
    """And no more are given than asked for."""
    blob = as_blob(["col0r", "co1or", "color", "colour", "c-olor"])
    assert find_lookalikes(blob, parse_project_name("color"), limit=5) == ("c-olor", "co1or", "col0r")
    assert find_lookalikes(blob, parse_project_name("color"), limit=2) == ("c-olor", "co1or")
    assert find_lookalikes(b"", parse_project_name("color"), limit=2) == ()
