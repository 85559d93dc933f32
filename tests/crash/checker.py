"""The process that looks at what a killed one left: a fresh start on the same data directory.

It knows what was acknowledged and what was tried, reads all that is listed, verifies
blobs and event chain, and publishes again what was tried without an answer.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from strongroom.core.access import ProjectTarget
from strongroom.core.names import parse_project_name
from tests.crash.store import MAIN, Store, opened
from tests.crash.work import wheel_of
from tests.crash.writer import read_project


@dataclass(frozen=True, slots=True)
class Question:
    """What the oracle knows: digests of acknowledged files, versions whose upload had no answer."""

    data: Path
    acknowledged: dict[str, str]
    unanswered: tuple[str, ...]


@dataclass(slots=True)
class Findings:
    """What was found: faults, if any, and the files that the retries published."""

    faults: list[str] = field(default_factory=list)
    retried: dict[str, str] = field(default_factory=dict)
    listed: int = 0


def run(question: Question, answers: Connection) -> None:
    """Be the process."""
    answers.send(asyncio.run(_check(question)))


async def _check(question: Question) -> Findings:
    findings = Findings()
    async with opened(question.data) as store:
        await _check_listed(store, question, findings=findings)
        await _retry(store, question, findings=findings)
        await _check_stores(store, findings)
    return findings


async def _check_listed(store: Store, question: Question, *, findings: Findings) -> None:
    """Compare the project list and its pages with the oracle, before anything is published again."""
    known = dict(question.acknowledged)
    possible = {wheel.filename: wheel.sha256 for wheel in map(wheel_of, question.unanswered)}
    for entry in (await store.services.browse.get_project_list(MAIN)).entries:
        page = await store.services.browse.get_project_page(ProjectTarget(MAIN, parse_project_name(entry.name)))
        if not page.files:
            findings.faults.append(f"{entry.name} is listed without a file")
        for file in page.files:
            findings.listed += 1
            promised = known.pop(file.filename, None) or possible.get(file.filename)
            if promised != file.sha256:
                findings.faults.append(f"{file.filename}: listed with {file.sha256}, not {promised}")
        findings.faults += await read_project(store, entry.name)
    findings.faults += [f"{filename}: acknowledged, and lost" for filename in known]


async def _retry(store: Store, question: Question, *, findings: Findings) -> None:
    for version in question.unanswered:
        wheel = wheel_of(version)
        try:
            published = await store.upload(wheel)
            findings.retried[published.file.filename] = published.file.sha256
        except Exception as error:  # whatever it is, the retry was refused
            findings.faults.append(f"{wheel.filename}: the retry failed: {type(error).__name__}: {error}")


async def _check_stores(store: Store, findings: Findings) -> None:
    report = await store.services.upkeep.verify(store.caller)
    findings.faults += [f"verify: {fault.needed_by} {fault.problem}" for fault in report.faults]
    chain = await store.services.audit.verify(store.caller)
    if chain.broken is not None:
        findings.faults.append(f"audit verify: {chain.broken.reason} at {chain.broken.serial}")
