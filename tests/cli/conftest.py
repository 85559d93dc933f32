"""The program on a store of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.program import Program


@pytest.fixture(autouse=True)
def _no_default_upstream(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let new stores begin with `main` alone."""
    monkeypatch.setenv("STRONGROOM_DEFAULT_UPSTREAM", "none")


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """Provide the program on a data directory that does not exist yet."""
    return Program(tmp_path / "data")


@pytest.fixture
def store(program: Program) -> Program:
    """Provide the program on a store with the administrator ada and the member bob."""
    program.done("user", "create", "ada", "--admin")
    program.done("user", "create", "bob")
    return program
