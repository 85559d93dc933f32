"""`strongroom promote`, and `strongroom promotion`: releases on their way from index to index."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from strongroom.cli.command import Command, Group, wants_json
from strongroom.cli.output import View, print_done, print_item, print_json, print_list, remark
from strongroom.cli.parameters import INDEX, NAMED, Named, parsed
from strongroom.cli.store import run
from strongroom.core.names import IndexName
from strongroom.core.promotions import Promotion, Stage, parse_promotion_id

if TYPE_CHECKING:  # so that `--help` is there at once
    from strongroom.core.promote import ReleasePlan
    from strongroom.services.promotion import Outcome

_PROMOTION_ID = parsed("ID", parse_promotion_id)
_promotion = click.argument("promotion_id", metavar="ID", type=_PROMOTION_ID)
_check = click.option(
    "--check-dependencies", is_flag=True, help="Refuse what the target could not install, by name and version."
)


@click.command(cls=Command)
@click.argument("named", metavar="PROJECT[==VERSION]...", type=NAMED, nargs=-1, required=True)
@click.option("--from", "source", type=INDEX, required=True, help="The index that has the releases.")
@click.option("--to", "target", type=INDEX, required=True, help="The index that gets them.")
@click.option("--dry-run", is_flag=True, help="Only tell what would be done.")
@click.option("--reason", default="", help="Why; the audit log keeps it.")
@_check
def promote(named: tuple[Named, ...], *, source: IndexName, target: IndexName, **options: bool | str) -> None:
    """Make releases of one index visible in another: all of them in one step, or none.

    Without a version the latest final release is meant. No bytes are copied, and the URLs of
    the source stay as they are. An index that takes no uploads takes promotions all the same;
    where it needs approval, they wait for `strongroom promotion approve`.
    """
    from strongroom.services.promotion import Options

    wanted = Options(
        dry_run=bool(options["dry_run"]),
        reason=str(options["reason"]),
        check_dependencies=bool(options["check_dependencies"]),
    )
    selections = [(item.project, item.version) for item in named]
    outcome = run(
        lambda services, caller: services.promotions.promote(
            caller, selections, source=source, target=target, options=wanted
        )
    )
    if wants_json():
        print_json(_view_outcome(outcome))
    else:
        _tell(outcome, target=target, dry_run=wanted.dry_run)


@click.group(cls=Group)
def group() -> None:
    """List, show, approve, refuse and undo promotions."""


@group.command(name="list")
@click.option("--index", type=INDEX, help="Only those from or to this index.")
@click.option("--pending", is_flag=True, help="Only those that wait for approval.")
def list_promotions(*, index: IndexName | None, pending: bool) -> None:
    """List promotions, the newest first."""
    stage = Stage.PENDING if pending else None
    found = run(lambda services, caller: services.promotions.list(caller, index=index, stage=stage))
    columns = ("id", "stage", "from", "to", "releases", "requested_by", "requested")
    print_list([_view(item) for item in found], columns, empty="There are no promotions.")


@group.command()
@_promotion
def show(promotion_id: str) -> None:
    """Show a promotion: what it carries, who asked for it, who decided."""
    print_item(_view(run(lambda services, caller: services.promotions.show(caller, promotion_id))))


@group.command()
@_promotion
@click.option("--reason", default="", help="Why; the audit log keeps it.")
@_check
def approve(promotion_id: str, *, reason: str, check_dependencies: bool) -> None:
    """Carry out a promotion that waits, if nothing speaks against it by now."""
    outcome = run(
        lambda services, caller: services.promotions.approve(
            caller, promotion_id, reason=reason, check_dependencies=check_dependencies
        )
    )
    if wants_json():
        print_json(_view_outcome(outcome))
    else:
        _tell(outcome, target=outcome.promotion.target if outcome.promotion else "", dry_run=False)


@group.command()
@_promotion
@click.option("--reason", default="", help="Why; the audit log keeps it.")
def refuse(promotion_id: str, *, reason: str) -> None:
    """Refuse a promotion that waits."""
    refused = run(lambda services, caller: services.promotions.refuse(caller, promotion_id, reason=reason))
    print_done(_view(refused), f"The promotion {promotion_id} is refused; '{refused.target}' stays as it is.")


@group.command()
@_promotion
@click.option("--reason", default="", help="Why; the audit log keeps it.")
def undo(promotion_id: str, *, reason: str) -> None:
    """Take the files that a promotion made visible out of the target again.

    What was there before stays. The filenames stay taken, for the same bytes: the release can
    be promoted once more.
    """
    undone = run(lambda services, caller: services.promotions.undo(caller, promotion_id, reason=reason))
    if wants_json():
        print_json({**_view(undone.promotion), "undone": [file.filename for file in undone.files]})
        return
    for file in undone.files:
        remark(f"Took {file.filename} out of '{file.index}'.")
    remark(f"The promotion {promotion_id} is undone.")


def _tell(outcome: Outcome, *, target: str, dry_run: bool) -> None:
    promotion = outcome.promotion
    waits = promotion is not None and promotion.stage is Stage.PENDING
    for plan in outcome.releases:
        remark(f"{_name(plan)}: {_becomes(plan, target=target, is_planned=dry_run or waits)}")
        for sentence in plan.remarks:
            remark(f"  {sentence}")
    if promotion is None:
        remark("Nothing was changed: this was a dry run." if dry_run else "Nothing to do: it is so already.")
    elif waits:
        remark(f"'{target}' needs approval: strongroom promotion approve {promotion.promotion_id}")
    else:
        remark(f"To take it back: strongroom promotion undo {promotion.promotion_id}")


def _name(plan: ReleasePlan) -> str:
    chosen = " (the latest)" if plan.was_chosen else ""
    return f"{plan.project}=={plan.version}{chosen}"


def _becomes(plan: ReleasePlan, *, target: str, is_planned: bool) -> str:
    if not plan.new:
        return f"'{target}' has it already."
    files = "1 file" if len(plan.new) == 1 else f"{len(plan.new)} files"
    also = f"; {len(plan.present)} there already" if plan.present else ""
    return f"{files} {'for' if is_planned else 'now in'} '{target}'{also}."


def _view_outcome(outcome: Outcome) -> View:
    return {
        "promotion": None if outcome.promotion is None else _view(outcome.promotion),
        "releases": [
            {
                "project": plan.project,
                "version": str(plan.version),
                "chosen": plan.was_chosen,
                "new": [file.filename for file in plan.new],
                "present": list(plan.present),
                "remarks": list(plan.remarks),
            }
            for plan in outcome.releases
        ],
    }


def _view(promotion: Promotion) -> View:
    decided_at = promotion.decided_at
    return {
        "id": promotion.promotion_id,
        "stage": promotion.stage.value,
        "from": promotion.source,
        "to": promotion.target,
        "releases": [f"{item.project}=={item.version}" for item in promotion.releases],
        "files": [filename for item in promotion.releases for filename in item.filenames],
        "reason": promotion.reason,
        "requested_by": promotion.requested_by,
        "requested": promotion.requested_at.isoformat(timespec="seconds"),
        "decided_by": promotion.decided_by,
        "decided": None if decided_at is None else decided_at.isoformat(timespec="seconds"),
    }
