"""The tables about what indexes hold, let through and hand on, on every catalog."""

from __future__ import annotations

from datetime import timedelta

import pytest
from packaging.specifiers import SpecifierSet

from strongroom.core.errors import Conflict
from strongroom.core.exemptions import Decision
from strongroom.core.names import IndexName, ProjectName, ProjectPattern
from strongroom.core.promotions import PromotedRelease, Stage
from strongroom.core.reservations import Hold
from strongroom.ports import Transaction
from tests.contracts.driven import Driven, do_all
from tests.factories import (
    DEMO,
    MAIN,
    PUBLIC,
    STAGING,
    a_copy,
    a_name_list,
    a_promotion,
    a_reservation,
    an_exemption,
    an_index,
    an_upstream_page,
)
from tests.fakes import START
from tests.replacing import replace

OTHER = ProjectName("other")
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)


def test_a_reservation_is_saved_replaced_and_removed(catalog: Driven) -> None:
    """There is one for each index and pattern, with every field; removing one that is not there is harmless."""
    exact = a_reservation("demo", hold=Hold.CLAIMED, reason="ours since 2019")
    prefix = a_reservation("acme-*", index="staging")
    do_all(catalog, lambda tx, item: tx.reservations.save(item), a_reservation("demo"), prefix, exact)
    catalog.write(lambda tx: tx.reservations.remove(MAIN, prefix.pattern))
    assert catalog.read(lambda tx: tx.reservations.list()) == (exact, prefix)
    assert catalog.read(lambda tx: tx.reservations.find(STAGING, ProjectPattern("acme-*"))) == prefix
    assert catalog.read(lambda tx: tx.reservations.find(STAGING, exact.pattern)) is None
    for _ in range(2):
        catalog.write(lambda tx: tx.reservations.remove(MAIN, exact.pattern))
        assert catalog.read(lambda tx: tx.reservations.list()) == (prefix,)


def test_reservations_are_listed_by_index_and_pattern(catalog: Driven) -> None:
    """Byte by byte, whatever the order in which they were made."""
    made = [a_reservation(name, index=index) for index in ("staging", "main") for name in ("b", "a-*", "a")]
    do_all(catalog, lambda tx, item: tx.reservations.save(item), *made)
    listed = catalog.read(lambda tx: [(item.index, item.pattern) for item in tx.reservations.list()])
    assert listed == [(index, name) for index in ("main", "staging") for name in ("a", "a-*", "b")]


def test_reservations_that_cover_a_name_are_found_among_others(catalog: Driven) -> None:
    """Exact ones, prefixes and patterns that mean the name, by index and pattern; others and look-alikes are not."""
    covering = [("main", "acme-*"), ("main", "acme-tool"), ("staging", "*-tool"), ("staging", "acme-too?")]
    others = [("main", "acme"), ("main", "acme-tool-*"), ("staging", "acme-toolbox"), ("a", "b-*")]
    made = [a_reservation(pattern, index=index) for index, pattern in (*others, *reversed(covering))]
    do_all(catalog, lambda tx, item: tx.reservations.save(item), *made)
    found = catalog.read(lambda tx: tx.reservations.list_covering(ProjectName("acme-tool")))
    assert [(item.index, item.pattern) for item in found] == covering
    assert catalog.read(lambda tx: tx.reservations.list_covering(ProjectName("other"))) == ()


def test_an_exemption_is_added_and_decided(catalog: Driven) -> None:
    """Every field comes back; an id is taken once, and one that is not there is not replaced."""
    asked = an_exemption(versions=">=1.0,!=1.2,<2.0", code="cooldown", decision=Decision.PENDING)
    decided = replace(
        asked,
        versions=SpecifierSet("==1.0"),
        decision=Decision.REFUSED,
        decided_by="user:ada",
        decided_at=START + DAY,
        decision_reason="no",
        expires_at=START + 2 * DAY,
    )
    catalog.write(lambda tx: tx.exemptions.add(asked))
    with pytest.raises(Conflict, match="already"):
        catalog.write(lambda tx: tx.exemptions.add(decided))
    assert catalog.read(lambda tx: tx.exemptions.find("e1")) == asked
    catalog.write(lambda tx: tx.exemptions.replace(decided))
    with pytest.raises(Conflict, match="no exemption"):
        catalog.write(lambda tx: tx.exemptions.replace(an_exemption("e2")))
    assert catalog.read(lambda tx: tx.exemptions.list()) == (decided,)
    assert catalog.read(lambda tx: tx.exemptions.find("e2")) is None


def test_exemptions_are_listed_by_index_and_project(catalog: Driven) -> None:
    """The oldest request comes first."""
    late = replace(an_exemption("e1"), requested_at=START + DAY)
    early, other = an_exemption("e3"), an_exemption("e2", project="other")
    elsewhere = replace(an_exemption("e4"), index=MAIN)
    do_all(catalog, lambda tx, item: tx.exemptions.add(item), late, elsewhere, early, other)
    assert catalog.read(lambda tx: tx.exemptions.list()) == (other, early, elsewhere, late)
    assert catalog.read(lambda tx: tx.exemptions.list(PUBLIC)) == (other, early, late)
    assert catalog.read(lambda tx: tx.exemptions.list(PUBLIC, DEMO)) == (early, late)
    assert catalog.read(lambda tx: tx.exemptions.list(project=DEMO)) == (early, elsewhere, late)


def test_a_promotion_is_added_and_decided(catalog: Driven) -> None:
    """Every field comes back; an id is taken once, and one that is not there is not replaced."""
    asked = a_promotion("p1", "demo-1.0.tar.gz", "demo-1.0-py3-none-any.whl", "other-2.0.tar.gz")
    done = replace(
        asked,
        stage=Stage.DONE,
        decided_by="user:ada",
        decided_at=START + DAY,
        reason="über",
        releases=(PromotedRelease(DEMO, "1!1.0+x", ()),),
    )
    catalog.write(lambda tx: tx.promotions.add(asked))
    with pytest.raises(Conflict, match="already"):
        catalog.write(lambda tx: tx.promotions.add(done))
    assert catalog.read(lambda tx: tx.promotions.find("p1")) == asked
    catalog.write(lambda tx: tx.promotions.replace(done))
    with pytest.raises(Conflict, match="no promotion"):
        catalog.write(lambda tx: tx.promotions.replace(a_promotion("p2")))
    assert catalog.read(lambda tx: tx.promotions.list()) == (done,)
    assert catalog.read(lambda tx: tx.promotions.find("p2")) is None


def test_promotions_are_listed_from_and_to_an_index(catalog: Driven) -> None:
    """The newest request comes first, and ids decide between equal times."""
    early, tied = a_promotion("p1"), a_promotion("p2", source="main", target="staging")
    late = replace(a_promotion("p0", target="public"), requested_at=START + DAY)
    do_all(catalog, lambda tx, item: tx.promotions.add(item), tied, late, early)
    assert catalog.read(lambda tx: tx.promotions.list()) == (late, tied, early)
    assert catalog.read(lambda tx: tx.promotions.list(MAIN)) == (tied, early)
    assert catalog.read(lambda tx: tx.promotions.list(PUBLIC)) == (late,)
    assert catalog.read(lambda tx: tx.promotions.list(IndexName("other"))) == ()


def test_an_index_can_be_removed_whatever_came_through_it(catalog: Driven) -> None:
    """Nothing of this refers to the index's row, and all of it stays until somebody removes it."""

    def fill(tx: Transaction) -> None:
        tx.indexes.add(an_index("public"))
        tx.reservations.save(a_reservation(index="public"))
        tx.upstream_pages.save(an_upstream_page())
        tx.copies.save(a_copy())
        tx.name_lists.save(a_name_list())
        tx.asked_names.add({(PUBLIC, DEMO): 1}, START)
        tx.exemptions.add(an_exemption())
        tx.promotions.add(a_promotion(source="public"))

    catalog.write(fill)
    catalog.write(lambda tx: tx.indexes.remove(PUBLIC))
    assert catalog.read(lambda tx: tx.indexes.list()) == ()
    assert catalog.read(lambda tx: tx.copies.find(PUBLIC, a_copy().filename)) == a_copy()
    assert catalog.read(lambda tx: tx.exemptions.find("e1")) == an_exemption()
