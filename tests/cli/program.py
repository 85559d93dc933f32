"""The program as a script sees it: arguments in, two streams and an exit code out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from strongroom.bootstrap import open_store
from strongroom.cli.main import cli
from strongroom.config import load_settings
from strongroom.core.model import File, Project
from strongroom.ports import Transaction


class Program:
    """Runs commands on one data directory."""

    def __init__(self, data: Path) -> None:
        self.data = data

    def run(self, *arguments: str, stdin: str | None = None) -> Result:
        """Run a command."""
        command = ["--data", str(self.data), *arguments]
        return CliRunner().invoke(cli, command, prog_name="strongroom", input=stdin)

    def done(self, *arguments: str, stdin: str | None = None) -> str:
        """Run a command that must succeed, and return what it prints on standard output."""
        result = self.run(*arguments, stdin=stdin)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *arguments: str) -> Any:  # Any: whatever the command prints
        """Run a command with --json and return its data."""
        return json.loads(self.done(*arguments, "--json"))

    def publish(self, project: Project, *files: File, bodies: bool = True) -> None:
        """Put a project with its files into the store; a file's bytes are its name."""

        def change(tx: Transaction) -> None:
            tx.projects.save(project)
            for file in files:
                tx.files.add(file)

        async def work() -> None:
            async with open_store(load_settings({"data": str(self.data)})) as services:
                for file in files if bodies else ():
                    assert await services.blobs.put(file.filename.encode()) == file.sha256
                await services.catalog.write(change)

        asyncio.run(work())

    def change(self, fn: Callable[[Transaction], None]) -> None:
        """Change the store as no command would."""

        async def work() -> None:
            async with open_store(load_settings({"data": str(self.data)})) as services:
                await services.catalog.write(fn)

        asyncio.run(work())

    def kinds(self) -> list[str]:
        """Return the kinds of all recorded changes, the oldest first."""
        return [entry["event"]["kind"] for entry in reversed(self.json("audit", "log"))]
