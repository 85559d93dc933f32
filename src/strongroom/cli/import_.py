"""`strongroom import`: publish a directory of wheels and sdists.

Shows how far it has come and what was refused; what is there already is skipped, so
it can be interrupted and repeated. What counts as a distribution, and the order, is
decided in `services/importing.py`.
"""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click

from strongroom.cli.command import Command
from strongroom.cli.exits import INTERRUPTED, REFUSED, Ended
from strongroom.cli.output import View, print_done, remark
from strongroom.cli.parameters import INDEX
from strongroom.cli.progress import Report, showing_progress
from strongroom.cli.store import run
from strongroom.core.caller import Caller
from strongroom.core.names import IndexName
from strongroom.services import Services
from strongroom.services.importing import Result, Step


@click.command(name="import", cls=Command)
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--index", type=INDEX, default="main", help="The index to import into (main).")
def command(directory: Path, *, index: IndexName) -> None:
    """Publish all wheels and sdists below DIRECTORY, with their files' times as upload times.

    What the index has already is skipped, so an import can be interrupted with Ctrl-C
    (it finishes the files at hand) and run again.
    """
    work = _Work(directory)
    with showing_progress("Importing") as report:
        run(lambda services, caller: work.run(services, caller, index=index, report=report), makes_store=True)
    print_done(work.view(), work.summary())
    if work.is_interrupted:
        raise Ended(INTERRUPTED, code="interrupted", message="Interrupted", hint="Run it again to import the rest.")
    if work.refused:
        raise Ended(
            REFUSED,
            code="import-refused",
            message=f"{len(work.refused)} files were refused",
            hint="The reasons are above; all other files are imported.",
        )


@dataclass(slots=True)
class _Work:
    """The import and what became of it so far."""

    directory: Path
    counts: Counter[Result] = field(default_factory=Counter)
    refused: list[View] = field(default_factory=list)
    ignored: int = 0
    is_interrupted: bool = False

    async def run(self, services: Services, caller: Caller, *, index: IndexName, report: Report) -> None:
        found = await services.importing.scan(self.directory)
        self.ignored = found.ignored
        total = len(found.candidates)
        stop = asyncio.Event()

        def tell(step: Step) -> None:
            self._take(step)
            report(self.counts.total(), total)

        with _stopping_at_interrupt(stop):
            await services.importing.run(caller, index, found=found, tell=tell, stop=stop)
        self.is_interrupted = stop.is_set() and self.counts.total() < total

    def _take(self, step: Step) -> None:
        self.counts[step.result] += 1
        for text in step.remarks:
            remark(f"{_printable(str(step.candidate.path))}: {text}")
        if step.result is Result.REFUSED:
            path = _printable(str(step.candidate.path))
            self.refused.append({"path": path, "code": step.code, "reason": step.reason})
            remark(f"Refused {path}: {step.reason} [{step.code}]")

    def view(self) -> View:
        """Return the outcome as data."""
        return {
            "imported": self.counts[Result.IMPORTED],
            "present": self.counts[Result.PRESENT],
            "refused": self.refused,
            "ignored": self.ignored,
            "interrupted": self.is_interrupted,
        }

    def summary(self) -> str:
        """Return the outcome as one line."""
        return (
            f"Imported {self.counts[Result.IMPORTED]} files; {self.counts[Result.PRESENT]} were there already, "
            f"{len(self.refused)} were refused, {self.ignored} are no distributions."
        )


@contextmanager
def _stopping_at_interrupt(stop: asyncio.Event) -> Iterator[None]:
    """Let the first Ctrl-C finish the files at hand; a second one ends at once."""
    loop = asyncio.get_running_loop()

    def interrupt() -> None:
        loop.remove_signal_handler(signal.SIGINT)
        remark("Finishing the files at hand; press Ctrl-C again to stop at once.")
        stop.set()

    loop.add_signal_handler(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)
