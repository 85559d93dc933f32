"""The shield: which source answers for a name, and for whose sake no upstream is asked."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.core.model import Index
from strongroom.core.names import IndexName, ProjectName, parse_project_name
from strongroom.core.reservations import Hold, Reservation
from strongroom.core.sources import (
    AskUpstreams,
    NameFacts,
    Nowhere,
    Overlaid,
    Owned,
    Reserved,
    Route,
    Source,
    Withheld,
    find_holders,
    find_source,
    has_or_holds,
    walk,
)
from tests.factories import DEMO, MAIN, a_mirror, a_reservation, an_index, an_upstream

PUBLIC, STAGING, TEAM, GONE = (IndexName(name) for name in ("public", "staging", "team", "gone"))


def facts(
    *indexes: Index,
    owners: Iterable[str] = (),
    held: Iterable[Reservation] = (),
    name: ProjectName = DEMO,
) -> NameFacts:
    """Return what the catalog holds about the name: only what covers it, as the catalog loads it."""
    return NameFacts(
        indexes={index.name: index for index in indexes},
        owners=frozenset(IndexName(owner) for owner in owners),
        reservations=tuple(item for item in held if item.covers(name)),
    )


def find(known: NameFacts, start: str = "main", *, name: ProjectName = DEMO) -> Source:
    """Ask an index for the name."""
    return find_source(name, start=known.indexes[IndexName(start)], facts=known)


def way(route: Route) -> list[str]:
    """Return the names of the indexes on the way."""
    return [index.name for index in route.path]


def asked(source: Source) -> list[list[str]]:
    """Return the ways to the upstreams that are asked, in their order."""
    assert isinstance(source, AskUpstreams)
    return [way(route) for route in source.routes]


USUAL = (an_index("main", bases=["public"]), a_mirror("public"))


def test_own_files_decide_alone() -> None:
    """No upstream is asked, though there is one."""
    known = facts(*USUAL, owners=["main"])
    found = find(known)
    assert isinstance(found, Owned)
    assert (way(found.route), found.route.entry.name, found.route.end.name) == (["main"], MAIN, MAIN)


def test_a_name_of_nobody_is_asked_upstream() -> None:
    """By the way over the base that has one."""
    assert asked(find(facts(*USUAL))) == [["main", "public"]]


def test_without_an_upstream_it_is_nowhere() -> None:
    """There is nobody to ask."""
    assert find(facts(an_index("main", bases=["staging"]), an_index("staging"))) == Nowhere()


def test_bases_answer_in_their_order() -> None:
    """The first that has the name, and the asked index before all of them."""
    indexes = (an_index("main", bases=["staging", "team"]), an_index("staging"), an_index("team"))
    for owners, expected in (
        (["team"], ["main", "team"]),
        (["staging", "team"], ["main", "staging"]),
        (["main", "staging", "team"], ["main"]),
    ):
        found = find(facts(*indexes, owners=owners))
        assert isinstance(found, Owned)
        assert way(found.route) == expected


def test_a_bases_base_comes_before_the_next_base() -> None:
    """Down first, then on."""
    indexes = (
        an_index("main", bases=["staging", "team"]),
        an_index("staging", bases=["deep"]),
        an_index("deep"),
        an_index("team"),
    )
    found = find(facts(*indexes, owners=["deep", "team"]))
    assert isinstance(found, Owned)
    assert way(found.route) == ["main", "staging", "deep"]


def test_an_owner_behind_an_upstream_is_found_before_it_is_asked() -> None:
    """All of this server is looked through before anything is sent anywhere."""
    indexes = (an_index("main", bases=["public", "team"]), a_mirror("public"), an_index("team"))
    found = find(facts(*indexes, owners=["team"]))
    assert isinstance(found, Owned)
    assert way(found.route) == ["main", "team"]


def test_upstreams_are_asked_bases_first() -> None:
    """An index's own upstream is its last source; each is asked once."""
    indexes = (
        an_index("main", bases=["staging", "team"], upstream=an_upstream()),
        an_index("staging", bases=["public"], upstream=an_upstream()),
        an_index("team", bases=["public"]),
        a_mirror("public"),
    )
    assert asked(find(facts(*indexes))) == [["main", "staging", "public"], ["main", "staging"], ["main"]]


def test_a_diamond_is_walked_once() -> None:
    """By the first way to it."""
    indexes = (
        an_index("main", bases=["staging", "team"]),
        an_index("staging", bases=["public"]),
        an_index("team", bases=["public"]),
        a_mirror("public"),
    )
    known = facts(*indexes)
    ways = [way(route) for route in walk(known.indexes[MAIN], known.indexes)]
    assert ways == [["main"], ["main", "staging"], ["main", "staging", "public"], ["main", "team"]]


def test_a_cycle_in_the_data_ends() -> None:
    """No service makes one, and none hangs at one; a missing base is passed over."""
    indexes = (
        an_index("main", bases=["staging", "nowhere"]),
        an_index("staging", bases=["main", "staging", "public"]),
        a_mirror("public"),
    )
    assert asked(find(facts(*indexes))) == [["main", "staging", "public"]]


def test_the_owner_elsewhere_withholds_the_name() -> None:
    """Readers of an index that is not based on the owner get nothing, and nothing is sent upstream."""
    known = facts(*USUAL, an_index("team"), owners=["team"])
    assert find(known) == Withheld((TEAM,))
    assert find(known, "public") == Withheld((TEAM,))


def test_a_deleted_indexs_names_stay_withheld() -> None:
    """Its tombstones own them; no other index's readers are sent upstream for them."""
    assert find(facts(*USUAL, owners=["gone"])) == Withheld((GONE,))


def test_a_reserved_name_without_files_is_nobody_elses() -> None:
    """The reserving index answers that it is reserved, others withhold it."""
    kept = a_reservation("demo", index="main")
    known = facts(*USUAL, held=[kept])
    found = find(known)
    assert isinstance(found, Reserved)
    assert (way(found.route), found.reservation) == (["main"], kept)
    assert find(known, "public") == Withheld((MAIN,))


def test_a_base_may_reserve() -> None:
    """The way leads to it."""
    found = find(facts(an_index("main", bases=["team"]), an_index("team"), held=[a_reservation("demo", index="team")]))
    assert isinstance(found, Reserved)
    assert way(found.route) == ["main", "team"]


@pytest.mark.parametrize(
    ("pattern", "raw", "is_kept"),
    [
        ("acme-*", "acme-billing", True),
        ("acme-*", "ACME_Billing", True),
        ("acme-*", "acme...billing", True),
        ("acme-*", "Acme-_.Billing", True),
        ("acme-*", "acme", False),
        ("acme-*", "acmebilling", False),
        ("acme-*", "my-acme-billing", False),
        ("acme*", "acmebilling", True),
        ("acme*", "acme", True),
        ("billing", "BILLING", True),
        ("billing", "billing2", False),
        ("my-pkg", "My_Pkg", True),
        ("my-pkg", "my.pkg", True),
        ("my-pkg", "my--pkg", True),
        ("my-pkg", "mypkg", False),
    ],
)
def test_a_name_is_kept_in_every_spelling(pattern: str, raw: str, is_kept: bool) -> None:  # noqa: FBT001 - a case
    """PEP 503 decides what is the same name; nothing that is the same goes upstream."""
    name = parse_project_name(raw)
    found = find(facts(*USUAL, held=[a_reservation(pattern)], name=name), name=name)
    assert isinstance(found, Reserved if is_kept else AskUpstreams)


def test_the_exact_hold_goes_before_the_prefix() -> None:
    """What somebody said about the very name counts."""
    prefix, exact = a_reservation("de*"), a_reservation("demo", hold=Hold.CLAIMED)
    found = find(facts(*USUAL, held=[prefix, exact]))
    assert isinstance(found, Reserved)
    assert found.reservation == exact


def test_a_claim_keeps_the_name_here_and_frees_it_elsewhere() -> None:
    """It is known to exist upstream: who does not read the claiming index may want that one."""
    claim = a_reservation("demo", index="team", hold=Hold.CLAIMED)
    for owners in ([], ["team"]):
        known = facts(*USUAL, an_index("team", bases=["public"]), owners=owners, held=[claim])
        assert isinstance(find(known, "team"), Owned if owners else Reserved)
        assert asked(find(known)) == [["main", "public"]]


def test_no_index_lifts_anothers_protection() -> None:
    """A claim of one index frees the name of that index only; the others' owners and reservations hold."""
    claim = a_reservation("demo", index="team", hold=Hold.CLAIMED)
    indexes = (*USUAL, an_index("team"), an_index("staging"))
    assert find(facts(*indexes, owners=["staging"], held=[claim])) == Withheld((STAGING,))
    assert find(facts(*indexes, held=[claim, a_reservation("de*", index="staging")])) == Withheld((STAGING,))
    assert find(facts(*indexes, owners=["gone"], held=[claim])) == Withheld((GONE,))


def test_a_claim_survives_its_index() -> None:
    """With the tombstones of a deleted index that had claimed the name, its namesake upstream is not lost."""
    claim = a_reservation("demo", index="gone", hold=Hold.CLAIMED)
    assert asked(find(facts(*USUAL, owners=["gone"], held=[claim]))) == [["main", "public"]]


def test_an_overlay_stands_together_with_the_next_source() -> None:
    """Own files over those of the upstream that would answer otherwise."""
    found = find(facts(*USUAL, owners=["main"], held=[a_reservation("demo", hold=Hold.OVERLAY)]))
    assert isinstance(found, Overlaid)
    assert way(found.owned.route) == ["main"]
    assert asked(found.below) == [["main", "public"]]


def test_an_overlay_over_an_indexs_own_upstream() -> None:
    """A patched fork in the mirror itself."""
    mirror = an_index("public", upstream=an_upstream())
    overlay = a_reservation("demo", index="public", hold=Hold.OVERLAY)
    found = find(facts(mirror, owners=["public"], held=[overlay]), "public")
    assert isinstance(found, Overlaid)
    assert asked(found.below) == [["public"]]


def test_below_an_overlay_is_one_source() -> None:
    """The next owner or reservation alone; overlays are not stacked."""
    indexes = (an_index("main", bases=["staging", "team"]), an_index("staging"), an_index("team"))
    overlays = [a_reservation("demo", index=index, hold=Hold.OVERLAY) for index in ("main", "staging")]
    found = find(facts(*indexes, owners=["main", "staging", "team"], held=overlays))
    assert isinstance(found, Overlaid)
    assert isinstance(found.below, Owned)
    assert way(found.below.route) == ["main", "staging"]
    below_reserved = find(facts(*indexes, owners=["main"], held=[overlays[0], a_reservation("demo", index="team")]))
    assert isinstance(below_reserved, Overlaid)
    assert isinstance(below_reserved.below, Reserved)


def test_an_overlay_without_files_covers_nothing() -> None:
    """The next source answers alone, though a prefix of the same index is reserved: the exact word counts."""
    overlay = a_reservation("demo", hold=Hold.OVERLAY)
    assert asked(find(facts(*USUAL, held=[overlay]))) == [["main", "public"]]
    assert asked(find(facts(*USUAL, held=[overlay, a_reservation("de*")]))) == [["main", "public"]]


def test_an_overlay_may_lie_over_nothing() -> None:
    """Then the own files are all."""
    found = find(facts(an_index("main"), owners=["main"], held=[a_reservation("demo", hold=Hold.OVERLAY)]))
    assert isinstance(found, Overlaid)
    assert found.below == Nowhere()


def test_an_overlay_in_one_index_withholds_nothing_elsewhere() -> None:
    """But another's ownership still does."""
    overlay = a_reservation("demo", index="team", hold=Hold.OVERLAY)
    team = an_index("team")
    assert asked(find(facts(*USUAL, team, owners=["team"], held=[overlay]))) == [["main", "public"]]
    assert find(facts(*USUAL, team, owners=["team", "gone"], held=[overlay])) == Withheld((GONE,))


def test_an_index_has_or_holds_what_is_its_own() -> None:
    """Files, deleted ones, and holds of any kind; those of others don't count."""
    held = [a_reservation("demo", index="staging", hold=Hold.OVERLAY), a_reservation("de*", index="public")]
    known = facts(*USUAL, owners=["team"], held=held)
    assert [name for name in (MAIN, TEAM, STAGING, PUBLIC) if has_or_holds(name, known)] == [TEAM, STAGING, PUBLIC]


NAMES = ("main", "staging", "team", "public", "gone")
PATTERNS = st.sampled_from(["demo", "de*", "other"])


@st.composite
def worlds(draw: st.DrawFn) -> NameFacts:
    """Draw indexes with any bases (cycles too) and upstreams, owners and holds."""
    indexes = [
        an_index(
            name,
            bases=draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=4)),
            upstream=an_upstream() if draw(st.booleans()) else None,
        )
        for name in NAMES[:4]
    ]
    held = [
        a_reservation(draw(PATTERNS), index=index, hold=draw(st.sampled_from(Hold)))
        for index in draw(st.lists(st.sampled_from(NAMES), unique=True))
    ]
    return facts(*indexes, owners=draw(st.sets(st.sampled_from(NAMES))), held=held)


def unclaimed(known: NameFacts) -> set[IndexName]:
    """Return, written a second time, the indexes that own or reserve the name and did not claim it themselves."""
    claims = {item.index for item in known.reservations if item.pattern == "demo" and item.hold is not Hold.RESERVED}
    return {*known.owners, *(item.index for item in known.reservations)} - claims


@given(known=worlds(), start=st.sampled_from(NAMES[:4]))
def test_an_upstream_is_asked_only_for_a_name_that_nobody_keeps(known: NameFacts, start: str) -> None:
    """Whatever the indexes look like: no owned or reserved name that its index did not claim goes upstream."""
    found = find(known, start)
    sources = (found.owned, found.below) if isinstance(found, Overlaid) else (found,)
    reached = {route.end.name for route in walk(known.indexes[IndexName(start)], known.indexes)}
    for source in sources:
        if isinstance(source, AskUpstreams):
            assert not unclaimed(known)
            assert all(route.end.upstream is not None and route.end.name in reached for route in source.routes)
            assert len({route.end.name for route in source.routes}) == len(source.routes) > 0
        if isinstance(source, Withheld):
            assert set(source.holders) == unclaimed(known) == set(find_holders(known)) != set()
        if isinstance(source, Owned):
            assert source.route.end.name in known.owners
    if isinstance(found, AskUpstreams | Withheld | Nowhere):
        assert not known.owners & reached
