"""Promotions in the world: what waits and what is done, and requests about them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from strongroom.core.names import parse_filename, parse_index_name, parse_project_name
from strongroom.core.promotions import PromotedRelease, Promotion, Stage
from strongroom.ports import Transaction
from tests.access_matrix.oracle import PROMOTED_FROM, PROMOTED_INTO, Target
from tests.fakes import START

MISSING_PROMOTION = "f" * 16


@dataclass(frozen=True, slots=True)
class Known:
    """A promotion that is there: of which project, and how far it has come."""

    promotion_id: str
    project: str
    stage: Stage


KNOWN = (
    Known("0" * 15 + "1", "own-main", Stage.PENDING),
    Known("0" * 15 + "2", "secret-main", Stage.PENDING),
    Known("0" * 15 + "3", "own-main", Stage.DONE),
    Known("0" * 15 + "4", "secret-main", Stage.DONE),
)


def add_promotions(tx: Transaction) -> None:
    """Store the known promotions, which the operator asked for."""
    for known in KNOWN:
        filename = parse_filename(f"{known.project.replace('-', '_')}-1.0-py3-none-any.whl")
        promotion = Promotion(
            promotion_id=known.promotion_id,
            source=parse_index_name(PROMOTED_FROM),
            target=parse_index_name(PROMOTED_INTO),
            releases=(PromotedRelease(parse_project_name(known.project), "1.0", (filename,)),),
            stage=known.stage,
            requested_by="operator:root",
            requested_at=START,
            decided_at=START if known.stage is Stage.DONE else None,
        )
        tx.promotions.add(promotion)


def known_targets(route: str) -> Iterator[tuple[str, Target]]:
    """Yield the id and the target of each promotion that the route can be asked for."""
    wanted = Stage.DONE if route.endswith("/undo") else Stage.PENDING
    for known in KNOWN:
        if known.stage is wanted:
            yield known.promotion_id, Target(index=PROMOTED_INTO, project=known.project)
    yield MISSING_PROMOTION, Target(index=PROMOTED_INTO, project="own-main", exists=False)


def new_targets() -> Iterator[tuple[bytes, Target]]:
    """Yield the body and the target of each promotion that can be asked for."""
    for source in (PROMOTED_FROM, "nowhere"):
        for target in (PROMOTED_INTO, "nowhere"):
            for project in ("own-main", "secret-main", "own-ghost", "secret-ghost"):
                body = {"source": source, "target": target, "releases": [{"project": project}]}
                yield json.dumps(body).encode(), Target(index=target, project=project, source=source)
