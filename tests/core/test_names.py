"""The names of things, parsed at the door."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.core.errors import InvalidName
from strongroom.core.names import (
    RESERVED_INDEX_NAMES,
    TOKEN_USER_NAMES,
    normalize_project_name,
    parse_filename,
    parse_index_name,
    parse_project_name,
    parse_project_pattern,
    parse_sha256,
    parse_token_id,
    parse_user_name,
    parse_version,
)

GOOD: list[tuple[Callable[[str], object], str, str]] = [
    (parse_project_name, "My_Pkg", "my-pkg"),
    (parse_project_name, "a", "a"),
    (parse_project_name, "zope.interface", "zope-interface"),
    (parse_project_name, "A-_.b", "a-b"),
    (parse_project_name, "x" * 128, "x" * 128),
    (parse_index_name, "main", "main"),
    (parse_index_name, "team-7", "team-7"),
    (parse_index_name, "x" * 64, "x" * 64),
    (parse_filename, "demo-1.0-py3-none-any.whl", "demo-1.0-py3-none-any.whl"),
    (parse_filename, "Demo_X-1!2.0+corp.3.tar.gz", "Demo_X-1!2.0+corp.3.tar.gz"),
    (parse_filename, "old-0.1.zip", "old-0.1.zip"),
    (parse_sha256, "AB" * 32, "ab" * 32),
    (parse_user_name, "bob", "bob"),
    (parse_user_name, "ann.lee+ci@corp.example", "ann.lee+ci@corp.example"),
    (parse_token_id, "aZ09" * 4, "aZ09" * 4),
    (parse_project_pattern, "Acme_*", "acme-*"),
    (parse_project_pattern, "*", "*"),
    (parse_project_pattern, "b?lling", "b?lling"),
]

BAD: list[tuple[Callable[[str], object], str, str]] = [
    *((parse_project_name, raw, "project-name") for raw in ("", "-a", "a-", "a b", "ä", "a/b", "..", "x" * 129, "a\n")),
    *((parse_index_name, raw, "index-name") for raw in ("", "Main", "a_b", "-a", "a-", "x" * 65, "a/b", "..", "a\n")),
    *((parse_index_name, raw, "index-name-reserved") for raw in ("simple", "pypi", "api", "legacy", "metrics")),
    *((parse_filename, raw, "filename") for raw in ("", "../x.whl", "a/b.whl", ".x.whl", "x y.whl", "x" * 241)),
    *((parse_filename, raw, "file-type") for raw in ("x", "x.egg", "x.tar.bz2", "x.exe", "x.WHL")),
    *((parse_sha256, raw, "sha256") for raw in ("", "ab", "g" * 64, "a" * 65)),
    *((parse_user_name, raw, "user-name") for raw in ("", "Bob", "-b", "b b", "ä", "x" * 65)),
    *((parse_user_name, raw, "user-name") for raw in sorted(TOKEN_USER_NAMES)),
    *((parse_token_id, raw, "token-id") for raw in ("", "a" * 15, "a" * 17, "a" * 15 + "_")),
    *((parse_project_pattern, raw, "project-pattern") for raw in ("", "a b", "[ab]", "a/*", "x" * 129)),
    *((parse_version, raw, "version") for raw in ("", "one", "1.0 beta bad", "1" * 5000, "1" + ".0" * 150)),
]  # fmt: skip


@pytest.mark.parametrize(("parse", "raw", "expected"), GOOD)
def test_a_good_name_is_taken_in_its_normal_form(parse: Callable[[str], object], raw: str, expected: str) -> None:
    """Names are normalised once, at the door."""
    assert parse(raw) == expected


@pytest.mark.parametrize(("parse", "raw", "code"), BAD)
def test_a_bad_name_is_refused_with_its_code_and_a_hint(parse: Callable[[str], object], raw: str, code: str) -> None:
    """The message is one printable line that says what to write instead."""
    with pytest.raises(InvalidName) as raised:
        parse(raw)
    assert raised.value.code == code
    assert raised.value.hint
    assert raised.value.sentence.isprintable()
    assert len(raised.value.sentence) < 400


def test_reserved_names_cannot_be_used() -> None:
    """No index hides a path of the server, and no user is mistaken for a token."""
    for name in RESERVED_INDEX_NAMES:
        with pytest.raises(InvalidName):
            parse_index_name(name)
    for name in TOKEN_USER_NAMES:
        with pytest.raises(InvalidName):
            parse_user_name(name)


@given(st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,20}[A-Za-z0-9])?", fullmatch=True))
def test_pep503_normalisation_is_stable(raw: str) -> None:
    """PEP 503: "all comparisons of distribution names MUST be case insensitive, and hyphens and underscores equal"."""
    name = parse_project_name(raw)
    assert parse_project_name(name) == name == normalize_project_name(raw)
    assert parse_project_name(raw.swapcase().replace("-", "_")) == name


@given(st.text())
def test_no_text_breaks_a_parser(raw: str) -> None:
    """Whatever comes from outside is a name or an `InvalidName`."""
    for parse in {entry[0] for entry in BAD}:
        with suppress(InvalidName):
            parse(raw)


def test_versions_are_compared_as_pep440_says() -> None:
    """1.0 and 1.0.0 are the same release."""
    assert parse_version("1.0") == parse_version("v1.0.0")
