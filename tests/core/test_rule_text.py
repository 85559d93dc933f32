"""Rules as people write and read them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from strongroom.core.errors import InvalidName, InvalidRequest
from strongroom.core.names import parse_project_name
from strongroom.core.rule_text import (
    MOST_ENTRIES,
    check_rules,
    describe_size,
    describe_span,
    find_versions,
    parse_licence,
    parse_named_versions,
    parse_platform,
    parse_project_versions,
    parse_size,
    parse_versions,
    rule_sentences,
)
from strongroom.core.rules import NO_RULES, Rules

DJANGO = parse_project_name("django")


@pytest.mark.parametrize(
    ("raw", "written"),
    [
        ("Django", "django"),
        ("  acme_*  ", "acme-*"),
        ("requests >= 2.31 , <3", "requests<3,>=2.31"),
        ("acme-?==1.*", "acme-?==1.*"),
        ("*", "*"),
        ("torch==2.0+cpu", "torch==2.0+cpu"),
    ],
)
def test_a_requirement_is_a_name_with_versions(raw: str, written: str) -> None:
    """Names are normalised (PEP 503); what is written is read as the same."""
    read = parse_named_versions(raw)
    assert str(read) == written
    assert parse_named_versions(written) == read


@pytest.mark.parametrize(
    "raw",
    ["", " ", ">=2", "django[argon2]", "django; python_version<'3'", "django @ https://files.example/x.whl", "a b",
     "django>=", "django=>2", "django==", "[a-z]", "dj/ango", "django>2\x00", "d" * 129, "django>=1" + ".0" * 300],
)  # fmt: skip
def test_what_is_no_requirement_is_refused(raw: str) -> None:
    """Extras, markers and URLs too, since they would mean nothing; on one printable line."""
    with pytest.raises(InvalidRequest) as caught:
        parse_named_versions(raw)
    assert caught.value.code == "rule-requirement"
    assert caught.value.sentence.isprintable()
    assert len(caught.value.message) < 150


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(raw: str) -> None:
    """Nothing else is raised, and what is read is written in a way that is read as the same."""
    try:
        read = parse_named_versions(raw)
    except InvalidRequest:
        return
    assert parse_named_versions(str(read)) == read


def test_one_project_is_named_by_its_name() -> None:
    """With versions, and not by a pattern."""
    assert parse_project_versions("Django>=5") == (DJANGO, SpecifierSet(">=5"))
    for raw in ("dj*", "django-", "*"):
        with pytest.raises(InvalidRequest, match="is not a single project"):
            parse_project_versions(raw)


def test_versions_alone_are_read() -> None:
    """Nothing at all means all of them."""
    assert parse_versions(">=2, <3") == SpecifierSet("<3,>=2")
    assert parse_versions("") == SpecifierSet("")
    for raw in ("2.0", "~=2", "=>1", "==" + "1." * 300 + "0"):
        with pytest.raises(InvalidName, match="does not say which versions"):
            parse_versions(raw)


def test_the_meaning_of_a_requirement() -> None:
    """Its name or pattern, and its versions, pre-releases included."""
    assert parse_named_versions("dj*>=5").means(DJANGO, Version("6.0a1"))
    assert not parse_named_versions("dj*>=5").means(DJANGO, Version("4.2"))
    assert not parse_named_versions("dj*>=5").means(parse_project_name("flask"), Version("6.0"))


def test_a_list_is_narrowed_to_one_project() -> None:
    """To the sets of versions of the entries that name it; an entry for all names is one of them."""
    listed = ("django<5", "flask", "dj*==6.0", "*>=99")
    assert find_versions(listed, DJANGO) == (SpecifierSet("<5"), SpecifierSet("==6.0"), SpecifierSet(">=99"))
    assert find_versions(("flask", "django-extensions"), DJANGO) == ()
    assert find_versions((), DJANGO) == ()


@pytest.mark.parametrize(
    ("raw", "size_bytes"),
    [("1", 1), ("1024", 1024), ("500MB", 500_000_000), ("500 mb", 500_000_000), ("1GiB", 2**30), ("2kB", 2_000),
     ("3KiB", 3072), ("1TB", 10**12), ("7b", 7)],
)  # fmt: skip
def test_sizes_are_read(raw: str, size_bytes: int) -> None:
    """In units of thousands or of 1024, and plain bytes."""
    assert parse_size(raw) == size_bytes


@pytest.mark.parametrize("raw", ["", "0", "0MB", "-1", "1.5GB", "MB", "1XB", "1i", "99999TB", "1e3", "1 000", "٣"])
def test_what_is_no_size_is_refused(raw: str) -> None:
    """Nothing at all is no maximum either."""
    with pytest.raises(InvalidRequest, match="is not a size"):
        parse_size(raw)


@pytest.mark.parametrize(
    ("raw", "written"),
    [("manylinux*_x86_64", "manylinux*_x86_64"), ("Win-AMD64", "win_amd64"), ("macosx_11.0_*", "macosx_11_0_*")],
)
def test_platforms_are_read(raw: str, written: str) -> None:
    """As the tag of a wheel writes them (PEP 425: `-` and `.` become `_`)."""
    assert parse_platform(raw) == written


@pytest.mark.parametrize("raw", ["", "linux x86", "[a-z]*", "x" * 101, "win_\x00"])
def test_what_is_no_platform_is_refused(raw: str) -> None:
    """With an example of one that is."""
    with pytest.raises(InvalidRequest, match="is not a pattern for platforms") as caught:
        parse_platform(raw)
    assert caught.value.code == "rule-platform"
    assert "manylinux*_x86_64" in caught.value.hint


@pytest.mark.parametrize(
    ("raw", "written"),
    [("mit", "MIT"), ("apache-2.0", "Apache-2.0"), ("LicenseRef-Acme", "LicenseRef-Acme"),
     ("gpl-2.0-only with classpath-exception-2.0", "GPL-2.0-only WITH Classpath-exception-2.0")],
)  # fmt: skip
def test_a_licence_is_one_spdx_identifier(raw: str, written: str) -> None:
    """In SPDX's own writing, with its exception."""
    assert parse_licence(raw) == written


@pytest.mark.parametrize("raw", ["", "MIT OR Apache-2.0", "MIT AND BSD-3-Clause", "(MIT)", "Expensive", "MIT,"])
def test_what_is_no_single_licence_is_refused(raw: str) -> None:
    """A list has an entry for each."""
    with pytest.raises(InvalidRequest, match="is not a single SPDX licence"):
        parse_licence(raw)


def test_rules_are_checked_part_by_part() -> None:
    """Each in its canonical writing, once; no time to wait is no cooldown."""
    checked = check_rules(
        Rules(
            cooldown=timedelta(0),
            allowed=("Django", "django", "acme_*"),
            denied=("Flask <2",),
            platforms=("WIN_AMD64",),
            max_size_bytes=5,
            licences=("mit",),
            takes_sdists=False,
        )
    )
    assert checked == Rules(
        allowed=("django", "acme-*"),
        denied=("flask<2",),
        platforms=("win_amd64",),
        max_size_bytes=5,
        licences=("MIT",),
        takes_sdists=False,
    )
    assert check_rules(checked) == checked
    assert check_rules(NO_RULES) == NO_RULES


@pytest.mark.parametrize(
    ("rules", "code"),
    [
        (Rules(cooldown=-timedelta(days=1)), "rule-cooldown"),
        (Rules(cooldown=timedelta(days=3651)), "rule-cooldown"),
        (Rules(allowed=("",)), "rule-requirement"),
        (Rules(denied=("a[b]",)), "rule-requirement"),
        (Rules(denied=("a",) * (MOST_ENTRIES + 1)), "rule-entries"),
        (Rules(platforms=("?!",)), "rule-platform"),
        (Rules(max_size_bytes=0), "rule-size"),
        (Rules(max_size_bytes=-1), "rule-size"),
        (Rules(licences=("nonsense",)), "rule-licence"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_rules_that_make_no_sense_are_refused(rules: Rules, code: str) -> None:
    """The code names the part."""
    with pytest.raises(InvalidRequest) as caught:
        check_rules(rules)
    assert caught.value.code == code


def test_each_rule_is_one_sentence() -> None:
    """And no rules are none."""
    assert rule_sentences(NO_RULES) == ()
    assert rule_sentences(
        Rules(
            cooldown=timedelta(days=3),
            allowed=("django", "acme-*"),
            denied=("flask<2",),
            takes_sdists=False,
            takes_yanked=False,
            platforms=("win_amd64",),
            max_size_bytes=1_500_000_000,
            licences=("MIT", "BSD-3-Clause"),
            takes_unknown_licences=False,
        )
    ) == (
        "A file comes through 3 days after its upload.",
        "Only these come through: django, acme-*.",
        "These never come through: flask<2.",
        "No sdists come through.",
        "Wheels come through that run anywhere, or on one of these platforms: win_amd64.",
        "Files come through up to 1.5 GB.",
        "Only these licences come through: MIT, BSD-3-Clause.",
        "A file that states no licence does not come through.",
        "No yanked files come through.",
    )


@pytest.mark.parametrize(
    ("span", "said"),
    [
        (timedelta(days=3), "3 days"),
        (timedelta(days=1), "1 day"),
        (timedelta(hours=36), "36 hours"),
        (timedelta(hours=1), "1 hour"),
        (timedelta(minutes=90), "90 minutes"),
        (timedelta(seconds=90), "90 seconds"),
        (timedelta(seconds=1), "1 second"),
    ],
)
def test_spans_are_said_in_the_largest_whole_unit(span: timedelta, said: str) -> None:
    """Without a rest."""
    assert describe_span(span) == said


@pytest.mark.parametrize(
    ("size_bytes", "said"),
    [(0, "0 bytes"), (1, "1 byte"), (999, "999 bytes"), (1_000, "1 kB"), (2_540_000, "2.5 MB"), (10**10, "10 GB")],
)
def test_sizes_are_said_shortly(size_bytes: int, said: str) -> None:
    """With one digit after the point, unless it is nought."""
    assert describe_size(size_bytes) == said
