"""Rules tried out over the wire."""

from __future__ import annotations

from datetime import timedelta

import pytest

from strongroom.core.rules import Rules
from strongroom.ports import Transaction
from tests.factories import a_copy, an_index, an_upstream_file, an_upstream_page
from tests.fakes import START
from tests.http.api.office import NOT_FOUND, Office
from tests.replacing import replace

PATH = "/indexes/public/rules/trial"
WHEEL = "demo-1.0-py3-none-any.whl"
YOUNG = {
    "index": "public",
    "project": "demo",
    "version": "1.0",
    "filename": WHEEL,
    "at": "2026-01-05T12:00:00Z",
    "rule": "too-young",
    "reason": f"{WHEEL} was uploaded on 2026-01-04 12:00 UTC, and public files come through 3 days later",
}


@pytest.fixture
def used(office: Office) -> Office:
    """Provide an office whose `public`, which takes no sdists, has got a wheel that was one day old."""

    def change(tx: Transaction) -> None:
        tx.indexes.add(replace(an_index("public"), rules=Rules(takes_sdists=False)))
        tx.upstream_pages.save(an_upstream_page("demo", an_upstream_file(WHEEL, uploaded_at=START - timedelta(days=1))))
        tx.copies.save(a_copy(WHEEL))

    office.write(change)
    return office


def test_rules_are_tried_out(used: Office) -> None:
    """Whole rules, instead of those that the index has; nothing is set or recorded."""
    reply = used.ask("POST", PATH, token=used.ada, json={"rules": {"cooldown_seconds": 259200}, "days": 7})
    assert reply.status == 200
    assert (reply.json["judged"], reply.json["hidden"], reply.json["items"]) == (1, 1, [YOUNG])
    rules = reply.json["rules"]
    assert isinstance(rules, dict)
    assert (rules["cooldown_seconds"], rules["takes_sdists"]) == (259200, True)
    assert used.events() == []
    assert used.ask("POST", PATH, token=used.ada, json={}).json["hidden"] == 0


@pytest.mark.parametrize("body", [{"days": 0}, {"days": 366}, {"rules": {"allowed": "demo"}}, {"rule": {}}])
def test_a_trial_has_to_make_sense(used: Office, body: dict[str, object]) -> None:
    """A span of days, and rules as they are set."""
    assert used.ask("POST", PATH, token=used.ada, json=body).status == 422
    assert used.ask("POST", PATH, token=used.ada, json={"rules": {"denied": ["a[b]"]}}).status == 400


def test_trying_takes_the_right_to_manage(used: Office) -> None:
    """It tells what everybody has used."""
    assert used.ask("POST", PATH, json={}).status == 401
    assert used.ask("POST", PATH, token=used.bob, json={}).status == 403
    assert used.ask("POST", PATH, token=used.carol, json={}).json == NOT_FOUND
