"""`strongroom rules` and `strongroom exemption`."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from strongroom.bootstrap import open_store
from strongroom.config import load_settings
from strongroom.ports import Transaction
from tests.cli.program import Program
from tests.factories import a_copy, an_upstream_file, an_upstream_page

WHEEL = "demo-1.0-py3-none-any.whl"
NO_RULES: dict[str, object] = {
    "index": "public",
    "cooldown_seconds": None,
    "allowed": [],
    "denied": [],
    "takes_sdists": True,
    "takes_yanked": True,
    "platforms": [],
    "max_size_bytes": None,
    "licences": [],
    "takes_unknown_licences": True,
    "sentences": [],
}


@pytest.fixture
def public(store: Program) -> Program:
    """Provide a store with an index `public` without rules."""
    store.done("index", "create", "public", "--no-uploads")
    return store


def store_copy(program: Program) -> None:
    """Let a wheel have come through `public` an hour ago, when it was one hour old."""
    now = datetime.now(UTC)
    file = an_upstream_file(WHEEL, uploaded_at=now - timedelta(hours=2))

    def change(tx: Transaction) -> None:
        tx.upstream_pages.save(an_upstream_page("demo", file, fetched_at=now))
        tx.copies.save(a_copy(WHEEL, is_stored=False, last_used_at=now - timedelta(hours=1)))

    async def work() -> None:
        async with open_store(load_settings({"data": str(program.data)})) as services:
            await services.catalog.write(change)

    asyncio.run(work())


def test_rules_are_set_and_shown(public: Program) -> None:
    """By what is named; lists grow, the rest stays."""
    assert public.json("rules", "show", "--index", "public") == NO_RULES
    assert "everything comes through" in public.run("rules", "show", "--index", "public").stderr
    public.done("rules", "set", "--index", "public", "--cooldown", "3d", "--allow", "Django", "--no-sdists")
    changed = public.json(
        "rules", "set", "--index", "public", "--allow", "acme_*>=2", "--deny", "flask", "--platform", "win_amd64",
        "--max-size", "500MB", "--licence", "mit", "--no-unknown-licences", "--no-yanked",
    )  # fmt: skip
    assert changed == NO_RULES | {
        "cooldown_seconds": 259200,
        "allowed": ["django", "acme-*>=2"],
        "denied": ["flask"],
        "takes_sdists": False,
        "takes_yanked": False,
        "platforms": ["win_amd64"],
        "max_size_bytes": 500_000_000,
        "licences": ["MIT"],
        "takes_unknown_licences": False,
        "sentences": changed["sentences"],
    }
    assert public.done("rules", "show", "--index", "public").splitlines() == changed["sentences"]
    assert len(changed["sentences"]) == 9


def test_rules_are_switched_off(public: Program) -> None:
    """One by its name, the cooldown also by `off`; a list can be replaced in one step."""
    public.done("rules", "set", "--index", "public", "--cooldown", "3d", "--allow", "django", "--no-sdists")
    result = public.run(
        "rules", "set", "--index", "public", "--cooldown", "off", "--clear", "allow", "--allow", "flask"
    )
    assert result.stderr == ("The rules of 'public': Only these come through: flask. No sdists come through.\n")
    cleared = public.json("rules", "set", "--index", "public", "--clear", "allow", "--sdists")
    assert cleared == NO_RULES
    assert public.kinds()[-3:] == ["index-changed"] * 3


@pytest.mark.parametrize(
    "flags",
    [
        (),
        ("--cooldown", "soon"),
        ("--allow", "django[argon2]"),
        ("--deny", ">=2"),
        ("--platform", "my platform"),
        ("--max-size", "huge"),
        ("--licence", "MIT OR ISC"),
        ("--clear", "everything"),
        ("--cooldown", "99y"),
    ],
)
def test_rules_that_make_no_sense_are_a_usage_error(public: Program, flags: tuple[str, ...]) -> None:
    """And change nothing."""
    before = public.kinds()
    assert public.run("rules", "set", "--index", "public", *flags).exit_code == 2
    assert public.kinds() == before


def test_an_index_that_is_missing_has_no_rules(public: Program) -> None:
    """It is not made by the way."""
    for command in (("show",), ("set", "--no-sdists"), ("try", "--no-sdists")):
        assert public.run("rules", *command, "--index", "elsewhere").exit_code == 3


def test_rules_are_tried_out(public: Program) -> None:
    """What they would have hidden is listed, with a sum; nothing is changed."""
    store_copy(public)
    before = public.kinds()
    tried = public.json("rules", "try", "--index", "public", "--cooldown", "3h", "--days", "7")
    assert (tried["judged"], tried["rules"]["cooldown_seconds"]) == (1, 10800)
    assert [(item["filename"], item["rule"]) for item in tried["hidden"]] == [(WHEEL, "too-young")]
    shown = public.run("rules", "try", "--index", "public", "--cooldown", "3h")
    assert WHEEL in shown.stdout
    assert shown.stderr == "Of 1 file that came through in the last 30 days, 1 would have been hidden.\n"
    harmless = public.run("rules", "try", "--index", "public", "--cooldown", "30m")
    assert (harmless.stdout, harmless.stderr) == (
        "",
        "Of 1 file that came through in the last 30 days, none would have been hidden.\n",
    )
    assert public.run("rules", "try", "--index", "public", "--days", "0").exit_code == 2
    assert public.kinds() == before


def test_an_exemption_is_asked_for_and_approved(public: Program) -> None:
    """The request says how to go on."""
    public.done("rules", "set", "--index", "public", "--cooldown", "3d")
    asked = public.run(
        "exemption", "request", "Django==5.2.1", "--index", "public", "--rule", "too-young", "--reason", "x"
    )
    assert asked.exit_code == 0, asked.output
    (waiting,) = public.json("exemption", "list", "--pending")
    assert f"strongroom exemption approve {waiting['id']}" in asked.stderr
    assert (waiting["project"], waiting["versions"], waiting["rule"], waiting["decision"]) == (
        "django",
        "==5.2.1",
        "too-young",
        "pending",
    )
    approved = public.json("exemption", "approve", waiting["id"], "--expires", "2d", "--reason", "looked at")
    assert (approved["decision"], approved["decision_reason"]) == ("approved", "looked at")
    left = datetime.fromisoformat(approved["expires"]) - datetime.now(UTC)
    assert timedelta(days=2) - timedelta(minutes=5) < left <= timedelta(days=2)
    assert public.json("exemption", "list", "--pending") == []
    assert waiting["id"] in public.done("exemption", "list", "--index", "public")
    assert public.run("exemption", "approve", waiting["id"]).exit_code == 1
    assert public.kinds()[-2:] == ["exemption-requested", "exemption-decided"]


def test_an_exemption_is_refused_or_withdrawn(public: Program) -> None:
    """A refusal needs a reason."""
    public.done("rules", "set", "--index", "public", "--cooldown", "3d")
    first = public.json("exemption", "request", "django", "--index", "public", "--reason", "x", "--expires", "1d")
    second = public.json("exemption", "request", "requests>=2.31,<3", "--index", "public", "--reason", "y")
    assert (first["versions"], first["rule"], second["versions"]) == ("", None, "<3,>=2.31")
    assert public.run("exemption", "refuse", first["id"]).exit_code == 2
    assert (
        f"Refused the exemption {first['id']}"
        in public.run("exemption", "refuse", first["id"], "--reason", "no").stderr
    )
    assert f"Withdrew the exemption {second['id']}" in public.run("exemption", "withdraw", second["id"]).stderr
    assert {item["decision"] for item in public.json("exemption", "list")} == {"refused", "withdrawn"}


def test_requests_that_make_no_sense_are_refused(public: Program) -> None:
    """Patterns, unknown rules, an index without rules, an exemption that there is not."""
    ask = ("exemption", "request", "--reason", "x", "--index", "public")
    for arguments, exit_code in (
        ((*ask, "dj*"), 2),
        ((*ask, "django", "--rule", "to-young"), 2),
        ((*ask, "django", "--expires", "2y"), 2),
        ((*ask, "django"), 2),
        (("exemption", "approve", "nonsense"), 2),
        (("exemption", "approve", "0" * 16), 3),
    ):
        assert public.run(*arguments).exit_code == exit_code
    assert "There are no exemptions." in public.run("exemption", "list").stderr
