"""Turns of regular jobs, on every catalog."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from strongroom.core.turns import Turn
from tests.contracts.driven import Driven, do_all
from tests.fakes import START

SWEEP = Turn("sweep", "node-1", START)
NAMES = Turn("names", "node-2", START + timedelta(microseconds=1), START - timedelta(days=1))


def test_turns_are_saved_and_replaced_by_job(catalog: Driven) -> None:
    """One row for each job; saving makes no event, and others do not see what was not saved."""
    assert catalog.read(lambda tx: tx.turns.list()) == ()
    do_all(catalog, lambda tx, turn: tx.turns.save(turn), SWEEP, NAMES)
    assert catalog.read(lambda tx: tx.turns.find("sweep")) == SWEEP
    assert catalog.read(lambda tx: tx.turns.find("nothing")) is None
    assert catalog.read(lambda tx: tx.turns.list()) == (NAMES, SWEEP)
    later = replace(SWEEP, holder="node-3", done_at=START)
    catalog.write(lambda tx: tx.turns.save(later))
    assert catalog.read(lambda tx: tx.turns.list()) == (NAMES, later)
    assert catalog.read(lambda tx: tx.events.serial()) == 0
