"""What rules would have hidden of that which came through lately."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from strongroom.core.access import Right
from strongroom.core.caller import Caller
from strongroom.core.errors import Forbidden, InvalidRequest, NotFound, Unauthenticated
from strongroom.core.names import IndexName, parse_filename
from strongroom.core.rules import NO_RULES, Rules
from strongroom.ports import Transaction
from strongroom.services.trial import HiddenFile, Trial, TrialReport
from tests.factories import (
    DEMO,
    MAIN,
    NOBODY,
    OPERATOR,
    a_caller,
    a_copy,
    a_grant,
    an_exemption,
    an_index,
    an_upstream_file,
    an_upstream_page,
)
from tests.fakes import START
from tests.replacing import replace
from tests.services.house import House, wait

PUBLIC = IndexName("public")
DAY = timedelta(days=1)
YOUNG, OLD, SDIST = "demo-2.0-py3-none-any.whl", "demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz"
THREE_DAYS = Rules(cooldown=3 * DAY)


@pytest.fixture
def house() -> House:
    """Provide `main` over `public`, ten days after three files came, of which one was a day old."""
    house = House()
    house.add_index(an_index("public"))
    house.add_index(replace(an_index("main"), bases=(PUBLIC,)))
    files = (an_upstream_file(YOUNG, uploaded_at=START - DAY), an_upstream_file(OLD), an_upstream_file(SDIST))

    def fill(tx: Transaction) -> None:
        tx.upstream_pages.save(an_upstream_page("demo", *files))
        for name in (YOUNG, OLD, SDIST):
            tx.copies.save(a_copy(name))

    house.change(fill)
    house.clock.advance(10 * DAY)
    return house


def tried(
    house: House, rules: Rules | None, *, caller: Caller = OPERATOR, index: IndexName = PUBLIC, days: int = 30
) -> TrialReport:
    """Try rules out."""
    return wait(Trial(house.catalog, house.clock).run(caller, index, rules=rules, days=days))


def names(report: TrialReport) -> list[str]:
    """Return the hidden files' names."""
    return [item.filename for item in report.hidden]


def use(house: House, name: str, *, at: datetime, is_stored: bool = True) -> None:
    """Set when the copy was last used, and whether its bytes are still here."""
    house.change(lambda tx: tx.copies.save(a_copy(name, last_used_at=at, is_stored=is_stored)))


def test_a_file_is_judged_when_it_came(house: House) -> None:
    """The young one would have waited, although it is old enough now; nothing is changed or recorded."""
    report = tried(house, THREE_DAYS)
    assert (report.rules, report.judged) == (THREE_DAYS, 3)
    assert report.hidden == (
        HiddenFile(
            index=PUBLIC,
            project=DEMO,
            version="2.0",
            filename=parse_filename(YOUNG),
            at=START,
            code="too-young",
            reason=f"{YOUNG} was uploaded on 2026-01-04 12:00 UTC, and public files come through 3 days later",
        ),
    )
    assert house.events() == []
    index = house.look(lambda tx: tx.indexes.find(PUBLIC))
    assert index is not None
    assert index.rules == NO_RULES


def test_the_rules_of_the_index_itself_can_be_tried(house: House) -> None:
    """What they would have hidden before they were set; other rules are tried instead of them."""
    house.change(lambda tx: tx.indexes.replace(replace(an_index("public"), rules=Rules(takes_sdists=False))))
    assert names(tried(house, None)) == [SDIST]
    assert names(tried(house, THREE_DAYS)) == [YOUNG]
    assert names(tried(house, NO_RULES)) == []


def test_rules_of_an_index_judge_what_comes_from_behind_it(house: House) -> None:
    """`main` gets the files of `public`; an index that gets none of them hides none."""
    house.add_index(an_index("other"))
    assert names(tried(house, THREE_DAYS, index=MAIN)) == [YOUNG]
    assert tried(house, THREE_DAYS, index=IndexName("other")).judged == 0


def test_only_the_last_days_count(house: House) -> None:
    """Ten days ago is within ten days, and not within nine."""
    assert tried(house, THREE_DAYS, days=10).judged == 3
    assert tried(house, THREE_DAYS, days=9) == TrialReport(THREE_DAYS, 0, ())


def test_what_came_earlier_is_judged_at_its_last_use(house: House) -> None:
    """Two days after its storing it would still have waited, five days after not; its bytes may be gone."""
    for is_stored in (True, False):
        use(house, YOUNG, at=START + DAY, is_stored=is_stored)
        assert names(tried(house, THREE_DAYS, days=9)) == [YOUNG]
        use(house, YOUNG, at=START + 5 * DAY, is_stored=is_stored)
        report = tried(house, THREE_DAYS, days=9)
        assert (report.judged, report.hidden) == (1, ())


def test_exempted_files_are_not_hidden(house: House) -> None:
    """An exemption from these rules would have let them through."""
    house.change(lambda tx: tx.exemptions.add(an_exemption(code="too-young", versions="==2.0")))
    assert names(tried(house, THREE_DAYS)) == []


def test_what_no_page_describes_is_not_judged(house: House) -> None:
    """Neither a file that left its page, nor one of a project whose page is gone."""
    house.change(lambda tx: tx.copies.save(a_copy("demo-9.0.tar.gz")))
    assert tried(house, THREE_DAYS).judged == 3
    house.change(lambda tx: tx.upstream_pages.remove(PUBLIC))
    assert tried(house, THREE_DAYS).judged == 0


def test_licences_are_judged_as_far_as_they_are_known(house: House) -> None:
    """The copy remembers what METADATA says."""
    house.change(lambda tx: tx.copies.save(replace(a_copy(OLD), licence="GPL-3.0-only")))
    assert names(tried(house, Rules(licences=("MIT",)))) == [OLD]


@pytest.mark.parametrize("days", [0, -1, 366])
def test_the_span_has_to_make_sense(house: House, days: int) -> None:
    """A day to a year."""
    with pytest.raises(InvalidRequest):
        tried(house, THREE_DAYS, days=days)


def test_bad_rules_are_refused(house: House) -> None:
    """As they would be when they are set."""
    with pytest.raises(InvalidRequest):
        tried(house, Rules(denied=("a[b]",)))


def test_trying_takes_the_right_to_manage(house: House) -> None:
    """It tells what everybody has used; a hidden index looks like a missing one."""
    manager = a_caller("mia", a_grant(Right.MANAGE, Right.READ, index="public"))
    assert tried(house, THREE_DAYS, caller=manager).judged == 3
    with pytest.raises(Forbidden):
        tried(house, THREE_DAYS, caller=a_caller("bob", a_grant(Right.READ)))
    with pytest.raises(Unauthenticated):
        tried(house, THREE_DAYS, caller=NOBODY)
    for caller, index in ((a_caller("eve"), PUBLIC), (OPERATOR, IndexName("nowhere"))):
        with pytest.raises(NotFound):
            tried(house, THREE_DAYS, caller=caller, index=index)
