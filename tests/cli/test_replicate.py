"""`strongroom replicate`: what it refuses before it follows, and what it says of a replica."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from strongroom.adapters.seals import AesSeals
from strongroom.adapters.secrets import open_secrets
from strongroom.cli import serve
from strongroom.core.replica import Followed
from strongroom.ports import Transaction
from strongroom.services.replica import Replica
from tests.cli.program import Program

NOBODY_THERE = "http://127.0.0.1:1"
VARIABLE = "STRONGROOM_REPLICATE_TOKEN"


@pytest.mark.parametrize(
    "url",
    [
        "http://:secret@packages.example",
        "https://ada@packages.example",
        "https://packages.example/?token=x",
        "https://packages.example/#x",
        "ftp://packages.example",
        "packages.example",
    ],
)
def test_a_url_is_written_without_credentials(program: Program, url: str) -> None:
    """What is in it would be shown in messages and on /api/v1/replica."""
    result = program.run("replicate", "--from", url, "--token", "t")
    assert result.exit_code != 0
    assert "This is not the URL of a Strongroom" in result.stderr
    assert "secret" not in result.stderr


def test_another_machine_is_asked_with_tls(store: Program) -> None:
    """A token in the clear needs a word that says so; this machine itself does not."""
    result = store.run("replicate", "--from", "http://packages.example", "--token", "t")
    assert "--without-tls" in result.stderr
    assert result.exit_code != 0
    for words in (("http://packages.example", "--without-tls"), ("http://localhost:1",), ("http://[::1]:1",)):
        result = store.run("replicate", "--from", *words, "--token", "t")  # a store of its own follows nobody
        assert "holds changes of its own" in result.stderr, result.stderr


def test_the_workers_do_not_inherit_the_token(store: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once it is kept sealed, it is gone from the environment of what is started."""
    seen: list[str | None] = []

    async def begin(*_given: object, token: str) -> None:
        seen.append(token)

    def run_server(*_given: object) -> None:
        import os

        seen.append(os.environ.get(VARIABLE))

    monkeypatch.setenv(VARIABLE, "t")
    monkeypatch.setattr(Replica, "begin", begin)
    monkeypatch.setattr("strongroom.bootstrap.run_server", run_server)
    monkeypatch.setattr(serve, "_check_port", lambda *_: None)
    monkeypatch.setattr("strongroom.config.export_settings", lambda _: None)
    result = store.run("replicate", "--from", NOBODY_THERE)
    assert result.exit_code == 0, result.output
    assert seen == ["t", None]


def test_the_status_of_a_replica_whose_primary_is_gone(store: Program) -> None:
    """It tells how long ago all was here, how much is lacking, and that nobody answers; then it takes over."""
    sealed = AesSeals(open_secrets(store.data)).seal("t")

    def follow(tx: Transaction) -> None:
        tx.followed.save(Followed(NOBODY_THERE, sealed, tx.events.serial(), datetime.now(UTC)))

    store.change(follow)
    told = store.json("replicate", "--status")
    assert (told["is_replica"], told["primary"], told["missing_files"]) == (True, NOBODY_THERE, 0)
    assert (told["primary_answers"], told["missing_changes"]) == (False, None)
    assert "connection refused" in told["trouble"]
    assert store.run("user", "create", "eve").exit_code != 0
    promoted = store.json("replicate", "--promote")
    assert (promoted["is_replica"], promoted["missing_files"]) == (False, 0)
    assert store.json("replicate", "--status")["is_replica"] is False
    assert store.kinds()[-1] == "replica-promoted"
