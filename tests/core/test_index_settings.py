"""What may be changed about an index, and what the event log says of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from strongroom.core.errors import Conflict, InvalidRequest
from strongroom.core.index_settings import (
    MOST_INDEXES,
    REMOVED,
    Credentials,
    IndexChanges,
    UpstreamChanges,
    change_index,
    demand_possible_bases,
    demand_sensible_credentials,
    describe_rules,
    describe_upstream,
    goes_elsewhere,
)
from strongroom.core.model import Downloads, Index
from strongroom.core.names import IndexName
from strongroom.core.rules import NO_RULES, Rules
from strongroom.core.upstream import FRESHNESS, Delivery, Upstream
from tests.factories import a_mirror, an_index
from tests.replacing import replace

URL, OTHER = "https://upstream.example/simple/", "https://other.example/simple/"
SEALED, OLD = b"sealed", b"old"
DAY = timedelta(days=1)


def with_upstream(**settings: object) -> Index:
    """Make an index with credentials for its upstream."""
    return a_mirror(upstream=replace(Upstream(URL, OLD), **settings))


def test_what_is_not_named_stays() -> None:
    """No change is none."""
    index = replace(with_upstream(is_offline=True), bases=(IndexName("main"),), rules=Rules(cooldown=DAY))
    assert change_index(index, IndexChanges()) == index
    assert change_index(index, IndexChanges(upstream=UpstreamChanges())) == index


def test_everything_named_changes() -> None:
    """All settings at once; rules come in their canonical writing."""
    changes = IndexChanges(
        accepts_uploads=False,
        anonymous_read=True,
        bases=(IndexName("staging"),),
        upstream=UpstreamChanges(URL, None, DAY, Delivery.REDIRECT, is_offline=True),
        rules=Rules(denied=(" Acme_Tools >=1",)),
        forbids_reserved=True,
        needs_approval=True,
        downloads=Downloads.STREAM,
    )
    changed = change_index(an_index(), changes, sealed=SEALED)
    assert changed == replace(
        an_index(accepts_uploads=False, anonymous_read=True, bases=["staging"]),
        upstream=Upstream(URL, SEALED, DAY, Delivery.REDIRECT, is_offline=True),
        rules=Rules(denied=("acme-tools>=1",)),
        forbids_reserved=True,
        needs_approval=True,
        downloads=Downloads.STREAM,
    )
    back = IndexChanges(
        accepts_uploads=True,
        anonymous_read=False,
        bases=(),
        upstream=REMOVED,
        rules=NO_RULES,
        forbids_reserved=False,
        needs_approval=False,
        downloads=Downloads.AUTO,
    )
    assert change_index(changed, back) == an_index()


def test_a_first_upstream_has_the_usual_settings() -> None:
    """Fresh for ten minutes, cached, online, without credentials."""
    made = change_index(an_index(), IndexChanges(upstream=UpstreamChanges(URL)))
    assert made.upstream == Upstream(URL, None, FRESHNESS, Delivery.CACHE, is_offline=False)


@pytest.mark.parametrize(
    ("changes", "sealed", "kept"),
    [
        (UpstreamChanges(freshness=DAY), None, OLD),
        (UpstreamChanges(url="https://upstream.example/elsewhere/"), None, OLD),
        (UpstreamChanges(url=OTHER), None, None),
        (UpstreamChanges(url="http://upstream.example/simple/"), None, None),
        (UpstreamChanges(url="https://upstream.example:8443/simple/"), None, None),
        (UpstreamChanges(url=OTHER), SEALED, SEALED),
        (UpstreamChanges(), SEALED, SEALED),
        (UpstreamChanges(credentials=REMOVED), None, None),
    ],
)
def test_credentials_stay_with_their_server(changes: UpstreamChanges, sealed: bytes | None, kept: bytes | None) -> None:
    """Never those of one server for another, or without the encryption that they were given for."""
    changed = change_index(with_upstream(), IndexChanges(upstream=changes), sealed=sealed)
    assert changed.upstream is not None
    assert changed.upstream.credentials == kept


@pytest.mark.parametrize(
    ("index", "changes", "code"),
    [
        (an_index(), UpstreamChanges(is_offline=True), "index-no-upstream"),
        (with_upstream(), UpstreamChanges(freshness=timedelta(seconds=-1)), "freshness"),
        (with_upstream(), UpstreamChanges(freshness=timedelta(days=366)), "freshness"),
    ],
)
def test_what_makes_no_sense_is_refused(index: Index, changes: UpstreamChanges, code: str) -> None:
    """An upstream begins with its URL, and freshness is a time that one can wait."""
    with pytest.raises(InvalidRequest) as caught:
        change_index(index, IndexChanges(upstream=changes))
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("username", "password", "is_possible"),
    [
        ("reader", "secret", True),
        ("", "token", True),
        ("reader", "", True),
        ("reader", "pass:word", True),
        ("read:er", "secret", False),
        ("reader", "two\nlines", False),
        ("reader\x00", "secret", False),
        ("", "", False),
        ("reader", "x" * 2000, False),
    ],
)
def test_credentials_must_fit_into_a_header(username: str, password: str, is_possible: bool) -> None:  # noqa: FBT001 - a case
    """RFC 7617: no colon in the user name, no control characters; the refusal repeats no secret."""
    credentials = Credentials(username, password)
    assert "secret" not in repr(credentials)
    if is_possible:
        demand_sensible_credentials(credentials)
        return
    with pytest.raises(InvalidRequest) as caught:
        demand_sensible_credentials(credentials)
    assert caught.value.code == "upstream-credentials"
    assert "secret" not in caught.value.sentence


def bases_of(indexes: dict[str, list[str]]) -> dict[IndexName, Index]:
    """Make indexes with these bases."""
    return {IndexName(name): an_index(name, bases=bases) for name, bases in indexes.items()}


@pytest.mark.parametrize(
    ("bases", "others", "code"),
    [
        (["main"], {"main": []}, "base-itself"),
        (["nowhere"], {"main": []}, "base-unknown"),
        (["a", "a"], {"main": [], "a": []}, "base-twice"),
        (["a"], {"main": [], "a": ["main"]}, "base-cycle"),
        (["b", "a"], {"main": [], "a": ["c"], "b": [], "c": ["d"], "d": ["main"]}, "base-cycle"),
        ([f"n{number}" for number in range(MOST_INDEXES)], {f"n{n}": [] for n in range(MOST_INDEXES)}, "base-chain"),
        (["n0"], {f"n{n}": [f"n{n + 1}"] for n in range(MOST_INDEXES)}, "base-chain"),
        (["n0"], {"top": ["main"], **{f"n{n}": [f"n{n + 1}"] for n in range(MOST_INDEXES - 1)}}, "base-chain"),
    ],
)
def test_impossible_bases_are_refused(bases: list[str], others: dict[str, list[str]], code: str) -> None:
    """Missing, repeated, circular (indirectly too), or too many: for the index itself or one above it."""
    with pytest.raises((Conflict, InvalidRequest)) as caught:
        demand_possible_bases(an_index("main", bases=bases), bases_of(others | {f"n{MOST_INDEXES}": []}))
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("bases", "others"),
    [
        ([], {"main": ["a"]}),
        (["a", "b"], {"main": ["c"], "a": ["c"], "b": ["c"], "c": []}),
        (["a"], {"main": [], "a": [], "above": ["main"], "x": ["y"], "y": ["x"]}),
        ([f"n{number}" for number in range(MOST_INDEXES - 1)], {f"n{n}": [] for n in range(MOST_INDEXES - 1)}),
    ],
)
def test_possible_bases_pass(bases: list[str], others: dict[str, list[str]]) -> None:
    """Diamonds too; what other indexes do among themselves is not judged, nor this one's earlier state."""
    demand_possible_bases(an_index("main", bases=bases), bases_of(others))


def test_another_url_goes_elsewhere() -> None:
    """A first upstream does not, nor other settings of the same."""
    one, other = with_upstream(), change_index(with_upstream(), IndexChanges(upstream=UpstreamChanges(url=OTHER)))
    assert goes_elsewhere(one, other)
    assert goes_elsewhere(one, an_index("public"))
    assert not goes_elsewhere(one, with_upstream(is_offline=True))
    assert not goes_elsewhere(an_index("public"), one)


def test_the_event_log_names_no_credentials() -> None:
    """Only that there are some."""
    assert describe_upstream(None) == ""
    assert describe_upstream(Upstream(URL)) == f"{URL}, fresh for 600 s"
    full = Upstream(URL, b"secret", timedelta(hours=1), Delivery.REDIRECT, is_offline=True)
    assert describe_upstream(full) == f"{URL}, with credentials, fresh for 3600 s, by redirect, offline"


def test_rules_are_canonical_json() -> None:
    """What is at its default is left out, so that a new rule changes no old entry."""
    assert describe_rules(NO_RULES) == ""
    rules = Rules(cooldown=timedelta(days=3), denied=("acme-*",), takes_sdists=False)
    assert describe_rules(rules) == '{"cooldown":"P3D","denied":["acme-*"],"takes_sdists":false}'
