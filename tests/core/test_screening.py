"""Rules brought together: what comes through the gates on the way, and what exemptions change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from strongroom.core.exemptions import Decision, Exemption
from strongroom.core.mirrored import Copy, UpstreamFile
from strongroom.core.model import ProjectStatus, Yank
from strongroom.core.names import IndexName
from strongroom.core.pages import make_upstream_page
from strongroom.core.policy import ALLOW, Refuse
from strongroom.core.rules import NO_RULES, Rules
from strongroom.core.screening import (
    RULE_CODES,
    Gate,
    Screen,
    find_refusals,
    needs_metadata,
    next_change,
    screen,
    wants_licence,
)
from tests.factories import MAIN, a_copy, an_exemption, an_upstream_file, an_upstream_page
from tests.fakes import START
from tests.replacing import replace

PUBLIC = IndexName("public")
TICK = timedelta(microseconds=1)
STRICT = Rules(
    cooldown=timedelta(days=3),
    allowed=("flask",),
    denied=("demo",),
    takes_sdists=False,
    takes_yanked=False,
    platforms=("win_amd64",),
    max_size_bytes=1,
    licences=("MIT",),
)
FRESH = an_upstream_file("demo-1.0-cp312-cp312-linux_x86_64.whl", uploaded_at=START - timedelta(days=1))
UNDER_GPL = replace(a_copy(), licence="GPL-3.0-only")


def bad_file() -> UpstreamFile:
    """Make a wheel that all rules but the one about sdists speak against."""
    return replace(FRESH, size_bytes=2, yank=Yank())


def approved(code: str = "", *, versions: str = "", until: datetime = START + timedelta(days=1)) -> Exemption:
    """Make an exemption that holds."""
    return replace(
        an_exemption(), code=code, versions=SpecifierSet(versions), decision=Decision.APPROVED, expires_at=until
    )


def gate(rules: Rules, *exemptions: Exemption, index: IndexName = PUBLIC) -> Gate:
    """Make a gate."""
    return Gate(index, rules, exemptions)


def codes(file: UpstreamFile, *gates: Gate, copy: Copy | None = None) -> list[str]:
    """Return the codes of everything that speaks against the file."""
    return [finding.refusal.code for finding in find_refusals(file, gates, now=START, copy=copy)]


def test_without_rules_everything_comes_through() -> None:
    """Without gates, and through gates without rules."""
    for gates in ((), (gate(NO_RULES), gate(NO_RULES, index=MAIN))):
        assert screen(bad_file(), gates, now=START, copy=UNDER_GPL) is ALLOW
        assert find_refusals(bad_file(), gates, now=START, copy=UNDER_GPL) == ()


def test_every_rule_speaks_for_itself() -> None:
    """In the order of the codes; each is found, the first one is what the client is told."""
    found = codes(bad_file(), gate(STRICT), copy=UNDER_GPL)
    assert found == [code for code in RULE_CODES if code != "sdist"]
    assert codes(an_upstream_file("demo-1.0.tar.gz"), gate(Rules(takes_sdists=False))) == ["sdist"]
    verdict = screen(bad_file(), (gate(STRICT),), now=START)
    assert isinstance(verdict, Refuse)
    assert verdict.code == "denied"


def test_each_gate_on_the_way_judges() -> None:
    """What the nearer index lets through, the farther may hold, and the other way round."""
    strict, open_ = gate(STRICT), gate(NO_RULES, index=MAIN)
    for gates in ((strict, open_), (open_, strict)):
        assert isinstance(screen(FRESH, gates, now=START), Refuse)
    both = find_refusals(
        FRESH, (gate(Rules(denied=("demo",)), index=MAIN), gate(Rules(cooldown=timedelta(2)))), now=START
    )
    assert [(item.ruled_by, item.refusal.code) for item in both] == [(MAIN, "denied"), (PUBLIC, "too-young")]


def test_a_refusal_ends_in_the_command_that_asks_for_an_exemption() -> None:
    """Whole, so that it can be pasted: the rule, and the index whose rule it is."""
    verdict = screen(FRESH, (gate(Rules(cooldown=timedelta(days=3))),), now=START)
    assert isinstance(verdict, Refuse)
    assert verdict.hint == (
        "It comes through by itself on 2026-01-07 12:00 UTC. If you need it all the same, ask for an exemption: "
        'strongroom exemption request demo==1.0 --rule too-young --index public --reason "..."'
    )
    plain = screen(FRESH, (gate(Rules(allowed=("flask",))),), now=START)
    assert isinstance(plain, Refuse)
    assert plain.hint.startswith("If you need it all the same")


def test_an_exemption_lets_through_what_it_covers() -> None:
    """Its rule, or every rule; its versions; until its time, and nothing afterwards."""
    rules = Rules(cooldown=timedelta(days=3))
    for held in (approved("too-young"), approved(""), approved("too-young", versions="==1.*")):
        assert screen(FRESH, (gate(rules, held),), now=START) is ALLOW
    for other in (
        approved("denied"),
        approved("too-young", versions="==2.0"),
        approved("too-young", until=START),
        replace(approved("too-young"), decision=Decision.PENDING),
        replace(approved("too-young"), decision=Decision.REFUSED),
        replace(approved("too-young"), decision=Decision.WITHDRAWN),
    ):
        assert isinstance(screen(FRESH, (gate(rules, other),), now=START), Refuse)


def test_an_exemption_lapses_at_its_time() -> None:
    """A tick before it lets through, at its time no more; the page made before says so."""
    held = (gate(Rules(cooldown=timedelta(days=30)), approved("too-young", until=START)),)
    assert screen(FRESH, held, now=START - TICK) is ALLOW
    assert isinstance(screen(FRESH, held, now=START), Refuse)
    assert next_change(held, now=START - TICK) == START
    assert next_change(held, now=START) is None


def test_an_exemption_of_one_gate_is_none_of_another() -> None:
    """Each index exempts from its own rules only."""
    rules = Rules(cooldown=timedelta(days=3))
    gates = (gate(rules, approved("too-young"), index=MAIN), gate(rules))
    assert isinstance(screen(FRESH, gates, now=START), Refuse)
    assert [(item.ruled_by, item.exemption is not None) for item in find_refusals(FRESH, gates, now=START)] == [
        (MAIN, True),
        (PUBLIC, False),
    ]


def test_an_exempted_rule_is_still_explained() -> None:
    """The finding names the exemption that lets the file pass."""
    held = approved("too-young")
    (finding,) = find_refusals(FRESH, (gate(Rules(cooldown=timedelta(days=3)), held),), now=START)
    assert finding.exemption == held


def test_only_what_is_approved_changes_a_page() -> None:
    """The earliest end counts, in whichever gate."""
    waiting = replace(approved(until=START + TICK), decision=Decision.PENDING)
    late, early = approved(until=START + timedelta(days=9)), approved(until=START + timedelta(days=2))
    assert next_change((gate(NO_RULES, waiting),), now=START) is None
    assert next_change((gate(NO_RULES, late), gate(NO_RULES, waiting, early)), now=START) == early.expires_at


@pytest.mark.parametrize(
    ("rules", "wants"),
    [
        (NO_RULES, False),
        (Rules(cooldown=timedelta(days=3)), False),
        (Rules(licences=("MIT",)), True),
        (Rules(takes_unknown_licences=False), True),
    ],
)
def test_only_a_rule_about_licences_wants_metadata(rules: Rules, *, wants: bool) -> None:
    """Of a wheel whose METADATA nobody has read yet."""
    gates = (gate(NO_RULES), gate(rules))
    assert wants_licence(gates) == wants
    assert needs_metadata(FRESH, gates, copy=None) == wants
    assert needs_metadata(FRESH, gates, copy=a_copy()) == (wants and a_copy().licence is None)
    assert not needs_metadata(FRESH, gates, copy=UNDER_GPL)
    assert not needs_metadata(an_upstream_file("demo-1.0.tar.gz"), gates, copy=None)


def test_a_page_shows_what_comes_through_and_when_it_changes() -> None:
    """The young file is hidden until it is old enough, the old one shows."""
    old = an_upstream_file("demo-0.9.tar.gz")
    page = make_upstream_page(
        an_upstream_page("demo", FRESH, old),
        (gate(Rules(cooldown=timedelta(days=3))),),
        copies={},
        asked=MAIN,
        now=START,
    )
    assert (page.files, page.versions) == ((old,), ("0.9",))
    assert page.valid_until == START + timedelta(days=2)


def test_a_screen_judges_many_files_of_one_project() -> None:
    """As `screen` judges each, but for the advice."""
    old = an_upstream_file("demo-0.9.tar.gz")
    ready = Screen((gate(Rules(cooldown=timedelta(days=3))),), FRESH.project, now=START)
    assert ready.judge(old) is ALLOW
    verdict = ready.judge(FRESH)
    assert isinstance(verdict, Refuse)
    assert "exemption" not in verdict.hint


THREE_DAYS = timedelta(days=3)
BOUNDARIES = (THREE_DAYS, THREE_DAYS - TICK, THREE_DAYS + TICK, timedelta(0), -timedelta(hours=1), timedelta(days=30))
BIRTHS = (
    st.sampled_from([START - age for age in BOUNDARIES])
    | st.sampled_from([START - age for age in BOUNDARIES]).map(
        lambda moment: moment.astimezone(timezone(timedelta(hours=-7)))
    )
    | st.datetimes(timezones=st.just(UTC))
    | st.sampled_from([datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
)
FILES = st.builds(
    lambda filename, uploaded_at, seen_at, yank: replace(
        an_upstream_file(filename, uploaded_at=uploaded_at), first_seen_at=seen_at, yank=yank
    ),
    st.sampled_from(["demo-1.0.tar.gz", "demo-1.0-py3-none-any.whl", "demo-2.0-py3-none-any.whl", "demo-0.9.zip"]),
    st.none() | BIRTHS,
    BIRTHS,
    st.none() | st.just(Yank()),
)
PAGES = st.lists(FILES, max_size=4, unique_by=lambda file: file.filename)
RULES = st.sampled_from(
    [
        NO_RULES,
        *(Rules(cooldown=span) for span in (timedelta(0), TICK, THREE_DAYS, timedelta(days=30), timedelta.max)),
        Rules(cooldown=-timedelta(hours=1)),
        Rules(denied=("demo==1.0",)),
        Rules(cooldown=THREE_DAYS, takes_yanked=False),
        Rules(cooldown=THREE_DAYS, denied=("flask",)),
        Rules(cooldown=THREE_DAYS, licences=("MIT",)),
        Rules(takes_sdists=False),
    ]
)
EXEMPTIONS = st.lists(
    st.sampled_from([approved("too-young"), approved("", versions="==1.0"), approved("denied"), approved(until=START)]),
    max_size=2,
)
GATES = st.lists(st.builds(lambda rules, held: gate(rules, *held), RULES, EXEMPTIONS), max_size=3).map(tuple)
NOWS = st.just(START) | st.sampled_from([datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])


@given(PAGES, GATES, NOWS, st.booleans())
def test_a_page_is_judged_as_its_files_are(
    files: list[UpstreamFile],
    gates: tuple[Gate, ...],
    now: datetime,
    has_copies: bool,  # noqa: FBT001 - hypothesis fills it by position
) -> None:
    """What looks at all files at once lets through and refuses the same, with the same words, as who asks for each."""
    copies = {UNDER_GPL.filename: UNDER_GPL} if has_copies else {}
    ready = Screen(gates, FRESH.project, now=now)
    verdicts = [(file, ready.judge(file, copies.get(file.filename))) for file in files]
    allowed = [file for file, verdict in verdicts if verdict is ALLOW]
    refusals = [verdict for _, verdict in verdicts if isinstance(verdict, Refuse)]
    assert ready.split(files, copies) == (allowed, refusals)
    ends = [next_change(gates, now=now), *(refusal.until for refusal in refusals)]
    shown = make_upstream_page(an_upstream_page("demo", *files), gates, copies=copies, asked=MAIN, now=now)
    assert shown.files == tuple(sorted(allowed, key=lambda file: (file.version, file.filename)))
    assert shown.valid_until == min((end for end in ends if end is not None), default=None)


def test_a_quarantined_page_is_not_judged() -> None:
    """It shows nothing; a young file does not say when that changes, an exemption does."""
    page = replace(an_upstream_page("demo", FRESH), status=ProjectStatus.QUARANTINED, status_reason="malware")
    held = approved("denied")
    for exemptions, until in (((), None), ((held,), held.expires_at)):
        gates = (gate(Rules(cooldown=THREE_DAYS), *exemptions),)
        shown = make_upstream_page(page, gates, copies={}, asked=MAIN, now=START)
        assert (shown.files, shown.versions, shown.valid_until) == ((), (), until)
