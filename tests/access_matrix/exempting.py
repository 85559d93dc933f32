"""Exemptions in the world: one that waits for each project, and requests about them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

from packaging.specifiers import SpecifierSet

from strongroom.core.exemptions import Exemption
from strongroom.core.names import parse_index_name, parse_project_name
from strongroom.ports import Transaction
from tests.access_matrix.oracle import EXISTING_INDEXES, EXISTING_PROJECTS, Target
from tests.fakes import START

_KNOWN = {f"{number:016x}": project for number, project in enumerate(sorted(EXISTING_PROJECTS), start=1)}
"""By id: each project of each index has one."""
MISSING_EXEMPTION = "f" * 16


def add_exemptions(tx: Transaction) -> None:
    """Store them, as the operator asked for them."""
    for exemption_id, project in _KNOWN.items():
        exemption = Exemption(
            exemption_id=exemption_id,
            index=parse_index_name(_index_of(project)),
            project=parse_project_name(project),
            versions=SpecifierSet("==1.0"),
            code="",
            reason="it is needed",
            requested_by="operator:root",
            requested_at=START,
            expires_at=START + timedelta(days=300),
        )
        tx.exemptions.add(exemption)


def exemption_targets() -> Iterator[tuple[str, Target]]:
    """Yield the id and the target of each exemption that can be named: also one under another index, and none."""
    for exemption_id, project in _KNOWN.items():
        index = _index_of(project)
        yield exemption_id, Target(index=index, project=project)
        for other in sorted(EXISTING_INDEXES - {index}):
            yield exemption_id, Target(index=other, project=project, exists=False)
    for index in ("main", "nowhere"):
        yield MISSING_EXEMPTION, Target(index=index, project="own-main", exists=False)


def wish_targets() -> Iterator[tuple[bytes, Target]]:
    """Yield the body and the target of each exemption that can be asked for; the project need not exist."""
    for index in (*sorted(EXISTING_INDEXES), "nowhere"):
        for project in (f"own-{index}", f"secret-{index}", "own-ghost"):
            yield json.dumps({"project": project, "reason": "it is needed"}).encode(), Target(index, project)


def _index_of(project: str) -> str:
    return project.partition("-")[2]
