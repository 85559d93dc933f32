"""Things of the index as the command line shows them: plain values, never a secret.

Decides the field names that scripts read from `--json`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from strongroom.cli.output import View
from strongroom.core.access import Grant, Token, describe_grant
from strongroom.core.events import Entry
from strongroom.core.exemptions import Exemption
from strongroom.core.model import File, Index, Project
from strongroom.core.reservations import Reservation
from strongroom.core.rule_text import rule_sentences
from strongroom.core.rules import Rules
from strongroom.services.accounts import Account
from strongroom.services.shield import NameReport
from strongroom.services.trial import HiddenFile


def view_account(account: Account) -> View:
    """Show a user."""
    return {
        "name": account.name,
        "administrator": account.is_administrator,
        "disabled": account.is_disabled,
        "password": account.has_password,
        "created": _time(account.created_at),
        "grants": view_grants(account.grants),
    }


def view_grants(grants: tuple[Grant, ...]) -> list[str]:
    """Show grants as sentences."""
    return [describe_grant(grant) for grant in grants]


def view_grant(grant: Grant) -> View:
    """Show a grant by its parts."""
    return {"rights": sorted(grant.rights), "index": grant.index, "projects": grant.projects}


def view_token(token: Token) -> View:
    """Show a token without its digest."""
    return {
        "id": token.token_id,
        "owner": token.owner,
        "label": token.label,
        "rights": sorted(token.scope.rights),
        "indexes": sorted(token.scope.indexes),
        "projects": list(token.scope.projects),
        "networks": [str(network) for network in token.networks],
        "parent": token.parent,
        "created": _time(token.created_at),
        "expires": _time(token.expires_at),
        "revoked": _time(token.revoked_at),
        "last_used": _time(token.last_used_at),
    }


def view_index(index: Index) -> View:
    """Show an index's settings; of the upstream's credentials only whether there are some."""
    upstream = index.upstream
    return {
        "name": index.name,
        "accepts_uploads": index.accepts_uploads,
        "anonymous_read": index.anonymous_read,
        "bases": list(index.bases),
        "upstream": None if upstream is None else upstream.url,
        "has_credentials": None if upstream is None else upstream.credentials is not None,
        "freshness_seconds": None if upstream is None else upstream.freshness // timedelta(seconds=1),
        "delivery": None if upstream is None else upstream.delivery.value,
        "offline": None if upstream is None else upstream.is_offline,
        "rules": list(rule_sentences(index.rules)),
        "forbids_reserved": index.forbids_reserved,
        "needs_approval": index.needs_approval,
        "downloads": index.downloads.value,
        "created": _time(index.created_at),
    }


def view_rules(rules: Rules) -> View:
    """Show what comes through an index from upstreams, part by part."""
    return {
        "cooldown_seconds": None if rules.cooldown is None else rules.cooldown // timedelta(seconds=1),
        "allowed": list(rules.allowed),
        "denied": list(rules.denied),
        "takes_sdists": rules.takes_sdists,
        "takes_yanked": rules.takes_yanked,
        "platforms": list(rules.platforms),
        "max_size_bytes": rules.max_size_bytes,
        "licences": list(rules.licences),
        "takes_unknown_licences": rules.takes_unknown_licences,
        "sentences": list(rule_sentences(rules)),
    }


def view_hidden_file(hidden: HiddenFile) -> View:
    """Show a file that rules would have hidden."""
    return {
        "index": hidden.index,
        "project": hidden.project,
        "version": hidden.version,
        "filename": hidden.filename,
        "at": _time(hidden.at),
        "rule": hidden.code,
        "reason": hidden.reason,
    }


def view_exemption(exemption: Exemption) -> View:
    """Show an exemption; without versions or a rule it is from all of them."""
    return {
        "id": exemption.exemption_id,
        "index": exemption.index,
        "project": exemption.project,
        "versions": str(exemption.versions),
        "rule": exemption.code or None,
        "reason": exemption.reason,
        "requested_by": exemption.requested_by,
        "requested": _time(exemption.requested_at),
        "expires": _time(exemption.expires_at),
        "decision": exemption.decision.value,
        "decided_by": exemption.decided_by or None,
        "decided": _time(exemption.decided_at),
        "decision_reason": exemption.decision_reason,
    }


def view_reservation(reservation: Reservation) -> View:
    """Show a name or prefix that an index holds."""
    return {
        "index": reservation.index,
        "pattern": reservation.pattern,
        "hold": reservation.hold.value,
        "reason": reservation.reason,
        "by": reservation.created_by,
        "created": _time(reservation.created_at),
    }


def view_name_report(report: NameReport) -> View:
    """Show the report about names and their namesakes."""
    return {
        "certain": report.is_certain,
        "internal": [
            {"index": item.index, "project": item.project, "hold": item.hold, "upstreams": list(item.upstreams)}
            for item in report.internal
        ],
        "wanted": [
            {
                "index": item.index,
                "project": item.project,
                "count": item.count,
                "last_asked": _time(item.last_asked_at),
                "lookalikes": list(item.lookalikes),
            }
            for item in report.wanted
        ],
    }


def view_file(file: File) -> View:
    """Show a file of a release."""
    return {
        "index": file.index,
        "project": file.project,
        "version": str(file.version),
        "filename": file.filename,
        "sha256": file.sha256,
        "yanked": None if file.yank is None else file.yank.reason,
    }


def view_project(project: Project) -> View:
    """Show a project's status."""
    return {
        "index": project.index,
        "project": project.name,
        "status": project.status.value,
        "reason": project.status_reason,
    }


def view_entry(entry: Entry) -> View:
    """Show an entry of the audit log: its place, who, and the event's own fields."""
    event = msgspec.to_builtins(entry.event)
    return {
        "serial": entry.serial,
        "at": _time(entry.at),
        "actor": entry.actor.name,
        "address": entry.actor.address,
        "client": entry.actor.client,
        "event": event,
        "hash": entry.chain_hash.hex(),
    }


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="seconds")
