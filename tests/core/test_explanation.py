"""Explanations, word by word: whose a name is, what each index has to do with it, why a file shows or not."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from strongroom.core.explanation import (
    UPSTREAM_QUARANTINE,
    Answer,
    Explanation,
    explain_covered,
    explain_own_files,
    explain_quarantined,
    explain_source,
    explain_upstream_file,
)
from strongroom.core.model import Index, ProjectStatus, Yank
from strongroom.core.names import IndexName
from strongroom.core.reservations import Hold, Reservation
from strongroom.core.sources import NameFacts, find_source
from tests.factories import (
    DEMO,
    LONG_AGO,
    MAIN,
    a_file,
    a_mirror,
    a_project,
    a_reservation,
    an_index,
    an_upstream_file,
)
from tests.replacing import replace

STAGES = (
    an_index("dev", bases=["staging"]),
    an_index("staging", bases=["main"]),
    an_index("main", bases=["public"]),
    a_mirror("public"),
)
ALL = frozenset(index.name for index in STAGES)
UNASKED = "neither owns nor reserves it; its upstream is not asked for this name"
NOTHING = "neither owns nor reserves it"


def explain(
    *,
    indexes: tuple[Index, ...] = STAGES,
    start: str = "dev",
    owners: Iterable[str] = (),
    held: Iterable[Reservation] = (),
    visible: frozenset[IndexName] = ALL,
) -> Explanation:
    """Explain the name as an index answers it."""
    known = {index.name: index for index in indexes}
    facts = NameFacts(known, frozenset(map(IndexName, owners)), tuple(held))
    asked = known[IndexName(start)]
    return explain_source(DEMO, find_source(DEMO, start=asked, facts=facts), start=asked, facts=facts, visible=visible)


def steps(found: Explanation) -> list[str]:
    """Return what is said of each index on the way."""
    return [step.sentence for step in found.steps]


def test_own_files_hide_those_of_the_bases() -> None:
    """A promoted release lies in two indexes; the first answers, and the second is said not to count."""
    found = explain(owners=["dev", "staging"])
    assert (found.answer, found.owner) == (Answer.OWN, "dev")
    assert found.sentence == "'demo' belongs to the index 'dev', which answers alone"
    assert steps(found) == [
        "owns it: it has files of it, or had",
        "has files of it too, or had; they do not count here",
        NOTHING,
        UNASKED,
    ]


def test_a_reservation_below_an_owner_does_not_count() -> None:
    """It is said all the same."""
    found = explain(owners=["dev"], held=[a_reservation("demo", index="main")])
    assert steps(found)[2] == "reserves it too, which does not count here"


def test_an_overlay_says_what_stands_below() -> None:
    """The files of the next index, or the upstream's."""
    over = a_reservation("demo", index="dev", hold=Hold.OVERLAY)
    found = explain(owners=["dev", "staging"], held=[over])
    assert found.answer is Answer.OVERLAY
    assert found.sentence == "'demo' is an overlay: files of the index 'dev' stand over those of the next source"
    assert steps(found)[1] == "has files of it too, or had: they stand below"
    assert steps(explain(owners=["dev"], held=[over]))[3] == f"{NOTHING}; its upstream is asked"


def test_an_overlay_without_files_covers_nothing() -> None:
    """Then the upstream answers."""
    found = explain(held=[a_reservation("demo", index="main", hold=Hold.OVERLAY)])
    assert found.answer is Answer.UPSTREAM
    assert steps(found)[2] == "overlays it, but has no files of it yet"


@pytest.mark.parametrize(
    ("owners", "visible", "said"),
    [
        (["dev"], ALL, "'demo' belongs to the index 'dev', so no upstream is asked for it here"),
        (
            ["dev", "staging"],
            ALL,
            "'demo' belongs to the indexes 'dev' and 'staging', so no upstream is asked for it here",
        ),
        (
            ["dev"],
            frozenset({MAIN}),
            "'demo' belongs to another index of this server, so no upstream is asked for it here",
        ),
    ],
)
def test_a_withheld_name_names_only_visible_indexes(
    owners: list[str], visible: frozenset[IndexName], said: str
) -> None:
    """Who may not read the owner does not learn its name."""
    found = explain(start="main", owners=owners, visible=visible)
    assert (found.answer, found.owner, found.sentence) == (Answer.WITHHELD, None, said)
    assert steps(found) == [NOTHING, UNASKED]


def test_one_upstream_or_several_are_asked() -> None:
    """In words that fit their number."""
    assert explain().sentence == "'demo' belongs to nobody here, so the upstream of 'public' is asked"
    two = (an_index("dev", bases=["public", "other"]), a_mirror("public"), a_mirror("other"))
    assert explain(indexes=two).sentence == (
        "'demo' belongs to nobody here, so the upstreams of 'public', 'other' are asked"
    )


def test_a_yanked_file_says_why_it_is_passed_over() -> None:
    """Own or upstream's, with the reason if there is one; a vanished one says that instead."""
    (own,) = explain_own_files(a_project(), [replace(a_file(), yank=Yank("broken"))])
    assert (own.code, own.is_offered) == ("yanked", True)
    assert own.reason == "Installers take it only where its version is pinned, for it was yanked: broken"
    file = replace(an_upstream_file(), yank=Yank(""))
    shown = explain_upstream_file(file, (), now=LONG_AGO, copy=None)
    assert (shown.code, shown.reason) == ("yanked", own.reason.removesuffix(": broken"))
    gone = explain_upstream_file(replace(file, vanished_at=LONG_AGO), (), now=LONG_AGO, copy=None)
    assert gone.code == "vanished"
    assert gone.reason.startswith("The upstream has not offered it since ")


def test_quarantine_says_who_can_end_it() -> None:
    """Somebody here, or nobody here."""
    sick = replace(a_project(), status=ProjectStatus.QUARANTINED, status_reason="steals keys")
    (own,) = explain_own_files(sick, [a_file()])
    assert (own.code, own.is_offered) == ("project-quarantined", False)
    assert "steals keys" in own.reason
    assert "set its status back" in own.hint
    assert explain_quarantined(an_upstream_file(), None, hint=UPSTREAM_QUARANTINE).hint == UPSTREAM_QUARANTINE


def test_a_covered_file_names_the_index_above() -> None:
    """An overlay has a file of the same name."""
    covered = explain_covered(an_upstream_file(), MAIN)
    assert (covered.code, covered.is_offered) == ("overlaid", False)
    assert covered.reason == "The index 'main' has a file of this name, which stands over it"
