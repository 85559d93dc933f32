"""`strongroom exemption`: letting something pass a rule for a while, asked for and decided."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from strongroom.cli.command import Group
from strongroom.cli.output import print_done, print_list, remark
from strongroom.cli.parameters import DURATION, INDEX, parsed
from strongroom.cli.store import chosen_settings, run
from strongroom.core.exemptions import Decision, Exemption, parse_exemption_id
from strongroom.core.names import IndexName
from strongroom.core.rule_text import parse_project_versions
from strongroom.core.screening import RULE_CODES

if TYPE_CHECKING:  # these take long to import, and `--help` needs none of them
    from packaging.specifiers import SpecifierSet

    from strongroom.core.names import ProjectName

_EXEMPTION_ID = parsed("ID", parse_exemption_id)
_REQUIREMENT = parsed("PROJECT==VERSION", parse_project_versions)
_reason = click.option("--reason", default="", help="Why; the audit log keeps it.")


@click.group(cls=Group)
def group() -> None:
    """Ask that a rule lets something through, list such exemptions and decide them."""


@group.command()
@click.argument("wanted", metavar="PROJECT[==VERSION]", type=_REQUIREMENT)
@click.option("--reason", required=True, help="Why it is needed; somebody has to decide.")
@click.option("--index", type=INDEX, help="From the rules of which index (those behind the default one: main).")
@click.option("--rule", "code", type=click.Choice(RULE_CODES), help="From which rule, by its code (from every rule).")
@click.option("--expires", "lifetime", type=DURATION, default="14d", help="How long it is to hold: 12h, 14d (14d).")
def request(
    wanted: tuple[ProjectName, SpecifierSet],
    *,
    reason: str,
    index: IndexName | None,
    code: str | None,
    lifetime: timedelta,
) -> None:
    """Ask that a project, or versions of it (django==5.2.1, 'requests>=2.31,<3'), come through.

    It counts once somebody who manages the index approves it, and ends by itself.
    """
    from strongroom.services.exemptions import ExemptionWish

    project, versions = wanted
    wish = ExemptionWish(
        index or chosen_settings().index, project, versions, reason=reason, code=code or "", lifetime=lifetime
    )
    made = run(lambda services, caller: services.exemptions.request(caller, wish))
    print_done(_view(made), f"Asked for the {made}.")
    if made.decision is Decision.PENDING:
        remark(f"It waits for somebody who manages '{made.index}': strongroom exemption approve {made.exemption_id}")


@group.command(name="list")
@click.option("--index", type=INDEX, help="Only those from the rules of this index.")
@click.option("--pending", is_flag=True, help="Only those that wait for a decision.")
def list_exemptions(*, index: IndexName | None, pending: bool) -> None:
    """List exemptions, the newest request first."""
    found = run(lambda services, caller: services.exemptions.list(caller, index, pending_only=pending))
    columns = ("id", "index", "project", "versions", "rule", "decision", "expires", "requested_by", "reason")
    print_list([_view(item) for item in found], columns, empty="There are no exemptions.")


@group.command()
@click.argument("exemption_id", metavar="ID", type=_EXEMPTION_ID)
@_reason
@click.option("--expires", "lifetime", type=DURATION, help="How long it holds from now on (as long as was asked).")
def approve(exemption_id: str, *, reason: str, lifetime: timedelta | None) -> None:
    """Let it pass, from the next request on."""
    decided = run(
        lambda services, caller: services.exemptions.approve(caller, exemption_id, reason=reason, lifetime=lifetime)
    )
    print_done(_view(decided), f"Approved the {decided}, until {decided.expires_at:%Y-%m-%d %H:%M} UTC.")


@group.command()
@click.argument("exemption_id", metavar="ID", type=_EXEMPTION_ID)
@click.option("--reason", required=True, help="Why; whoever asked reads it.")
def refuse(exemption_id: str, *, reason: str) -> None:
    """Refuse a request, or end an exemption before its time."""
    decided = run(lambda services, caller: services.exemptions.refuse(caller, exemption_id, reason=reason))
    print_done(_view(decided), f"Refused the {decided}.")


@group.command()
@click.argument("exemption_id", metavar="ID", type=_EXEMPTION_ID)
@_reason
def withdraw(exemption_id: str, *, reason: str) -> None:
    """Take your own request back, or end your own exemption before its time."""
    decided = run(lambda services, caller: services.exemptions.withdraw(caller, exemption_id, reason=reason))
    print_done(_view(decided), f"Withdrew the {decided}.")


def _view(exemption: Exemption) -> dict[str, object]:
    from strongroom.cli.views import view_exemption

    return view_exemption(exemption)
