"""`strongroom mirror plan` and `sync`, with an upstream that is never asked."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from strongroom.bootstrap import open_store
from strongroom.config import load_settings
from strongroom.ports import Transaction
from tests.cli.program import Program
from tests.factories import a_copy, a_file, a_project, an_upstream_file, an_upstream_page

HERE, ABSENT, OWN = "demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz", "own-1.0.tar.gz"


@pytest.fixture
def shelf(store: Program) -> Program:
    """Provide a store whose offline mirror knows one page, and has one of its two files."""
    url = "https://upstream.example/simple/"
    store.done("index", "create", "mirror", "--no-uploads", "--upstream", url, "--offline")
    store.done("index", "create", "team", "--base", "mirror")
    store.publish(a_project("own", index="team"), a_file(OWN, index="team"))
    page = an_upstream_page(
        "demo", an_upstream_file(HERE, index="mirror"), an_upstream_file(ABSENT, index="mirror"), index="mirror"
    )

    def change(tx: Transaction) -> None:
        tx.upstream_pages.save(page)
        tx.copies.save(a_copy(HERE, index="mirror"))

    async def work() -> None:
        async with open_store(load_settings({"data": str(store.data)})) as services:
            await services.catalog.write(change)

    asyncio.run(work())
    return store


def wanted(folder: Path, *lines: str) -> str:
    """Write a list of requirements, and return its path."""
    path = folder / "requirements.txt"
    path.write_text("\n".join(lines))
    return str(path)


def test_a_plan_is_a_table(shelf: Program, tmp_path: Path) -> None:
    """What is here, what would be fetched, what there is not; it ends with 1 for what is not to be had."""
    result = shelf.run("mirror", "plan", wanted(tmp_path, "demo==1.0", "own==1.0"), "--index", "team")
    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines == [
        ["STATE", "FILE", "BYTES", "WHY"],
        ["here", HERE, str(len(HERE))],
        ["to", "fetch", ABSENT, str(len(ABSENT))],
        ["here", OWN, str(len(OWN))],
    ]
    assert result.stderr.endswith(f"2 here, 1 to fetch ({len(ABSENT)} bytes).\n")
    lacking = shelf.run("mirror", "plan", wanted(tmp_path, "own==2.0"), "--index", "team")
    assert lacking.exit_code == 1
    assert "to which the name belongs, has no own==2.0 [not-found]" in lacking.stdout
    assert "Not everything is to be had: own" in lacking.stderr


def test_what_fails_is_told_and_ends_with_1(shelf: Program, tmp_path: Path) -> None:
    """As data with --json; offline nothing can be fetched."""
    result = shelf.run("--json", "mirror", "sync", wanted(tmp_path, "demo==1.0"), "--index", "team", "--jobs", "2")
    assert result.exit_code == 1
    assert '"state": "failed"' in result.stdout
    assert '"code": "mirror-incomplete"' in result.stderr
    done = shelf.json("mirror", "sync", wanted(tmp_path, "own"), "--index", "team")
    assert done == [
        {
            "project": "own",
            "version": "1.0",
            "filename": OWN,
            "index": "team",
            "state": "here",
            "size_bytes": len(OWN),
            "code": "",
            "reason": "",
        }
    ]


def test_an_empty_or_unreadable_list(shelf: Program, tmp_path: Path) -> None:
    """Nothing is wanted, or the place of the fault is named with exit code 2."""
    assert shelf.run("mirror", "plan", wanted(tmp_path, "# nothing")).stderr.endswith("Nothing is wanted.\n")
    faulty = shelf.run("mirror", "plan", wanted(tmp_path, "demo==1.0", "???"))
    assert faulty.exit_code == 2
    assert "ine 2 of requirements.txt" in faulty.stderr
    assert shelf.run("mirror", "plan", str(tmp_path / "nothing.txt")).exit_code == 2
    many = [f"nothing-{number}" for number in range(7)]
    assert "nothing-4 and 2 more" in shelf.run("mirror", "plan", wanted(tmp_path, *many), "--index", "mirror").stderr
