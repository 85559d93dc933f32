"""The settings of an index as flags: what `index create` and `index set` share.

Decides which flags contradict each other, and what they change. What the settings may
be is decided by `core/index_settings.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeVar

import click

from strongroom.cli.output import remark
from strongroom.cli.parameters import COOLDOWN, DURATION, INDEX
from strongroom.core.index_settings import REMOVED, Credentials, IndexChanges, Removed, UpstreamChanges
from strongroom.core.model import Downloads, Index
from strongroom.core.names import IndexName
from strongroom.core.rules import COOLDOWN as USUAL_COOLDOWN
from strongroom.core.rules import NO_RULES, Rules
from strongroom.core.upstream import Delivery

F = TypeVar("F", bound=Callable[..., object])

_SETTINGS = (
    click.option("--uploads/--no-uploads", "accepts_uploads", default=None, help="Whether it takes uploads."),
    click.option(
        "--anonymous-read/--no-anonymous-read",
        default=None,
        help="Whether everybody may read it, without credentials.",
    ),
    click.option(
        "--base", "bases", type=INDEX, multiple=True, help="An index for the names that are not its own; repeatable."
    ),
    click.option("--upstream", "url", metavar="URL", help="The simple API that it mirrors."),
    click.option("--upstream-user", "user", metavar="NAME", help="Who signs in at the upstream."),
    click.option(
        "--upstream-password-stdin",
        "reads_password",
        is_flag=True,
        help="Read the upstream's password or token from the first line of standard input.",
    ),
    click.option("--freshness", type=DURATION, help="How long an upstream's page is not asked for again (10m)."),
    click.option(
        "--redirect/--cache",
        "redirects",
        default=None,
        help="Redirect clients to its upstream, or keep copies.",
    ),
    click.option("--offline/--online", "is_offline", default=None, help="Whether the upstream is never asked."),
    click.option("--cooldown", type=COOLDOWN, help="How old an upstream's file must be to come through: 3d, 12h, off."),
    click.option(
        "--forbid-reserved/--no-forbid-reserved",
        "forbids_reserved",
        default=None,
        help="Whether a reserved name without files is forbidden (403), not missing (404).",
    ),
    click.option(
        "--needs-approval/--no-needs-approval",
        default=None,
        help="Whether a promotion into it waits for somebody who manages it.",
    ),
    click.option(
        "--downloads",
        type=click.Choice([way.value for way in Downloads]),
        help="Which files in a bucket come by a redirect to it: large ones (auto), all (redirect), none (stream).",
    ),
)
_REMOVALS = (
    click.option("--no-bases", "removes_bases", is_flag=True, help="Base it on no other index."),
    click.option("--no-upstream", "removes_upstream", is_flag=True, help="Forget its upstream and its copies."),
    click.option("--no-credentials", "removes_credentials", is_flag=True, help="Ask the upstream without credentials."),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexFlags:
    """The flags as they were given; None where nothing was said."""

    accepts_uploads: bool | None
    anonymous_read: bool | None
    bases: tuple[IndexName, ...]
    url: str | None
    user: str | None
    reads_password: bool
    freshness: timedelta | None
    redirects: bool | None
    is_offline: bool | None
    cooldown: timedelta | None
    forbids_reserved: bool | None
    needs_approval: bool | None
    downloads: str | None
    removes_bases: bool = False
    removes_upstream: bool = False
    removes_credentials: bool = False

    def changes(self) -> IndexChanges:
        """Return what they change, but for the rules; reads the password if that was said. Raises `UsageError`."""
        self._refuse_contradictions()
        bases = () if self.removes_bases else self.bases or None
        return IndexChanges(
            accepts_uploads=self.accepts_uploads,
            anonymous_read=self.anonymous_read,
            bases=bases,
            upstream=REMOVED if self.removes_upstream else self._upstream(),
            forbids_reserved=self.forbids_reserved,
            needs_approval=self.needs_approval,
            downloads=None if self.downloads is None else Downloads(self.downloads),
        )

    def rules(self, earlier: Rules = NO_RULES) -> Rules | None:
        """Return the rules with the cooldown that was given, None without one."""
        return None if self.cooldown is None else replace(earlier, cooldown=self.cooldown or None)

    def _upstream(self) -> UpstreamChanges | None:
        delivery = None
        if self.redirects is not None:
            delivery = Delivery.REDIRECT if self.redirects else Delivery.CACHE
        credentials: Credentials | Removed | None = REMOVED if self.removes_credentials else None
        if self.user is not None:
            credentials = Credentials(self.user, sys.stdin.readline().rstrip("\r\n"))
        changes = UpstreamChanges(self.url, credentials, self.freshness, delivery, self.is_offline)
        return None if changes == UpstreamChanges() else changes

    def _refuse_contradictions(self) -> None:
        if (self.user is not None) != self.reads_password:
            raise click.UsageError("--upstream-user and --upstream-password-stdin belong together.")
        if self.removes_bases and self.bases:
            raise click.UsageError("--no-bases contradicts --base.")
        about_upstream = (self.url, self.user, self.freshness, self.redirects, self.is_offline)
        if self.removes_upstream and any(value is not None for value in about_upstream):
            raise click.UsageError("--no-upstream contradicts the other flags about the upstream.")
        if self.removes_credentials and self.user is not None:
            raise click.UsageError("--no-credentials contradicts --upstream-user.")


def index_settings(command: F) -> F:
    """Give a command the flags of all settings."""
    return _with(command, _SETTINGS)


def index_removals(command: F) -> F:
    """Give a command the flags that take settings away."""
    return _with(command, _REMOVALS)


def warn_about(index: Index) -> None:
    """Say what is unwise about an index's upstream."""
    if index.upstream is None:
        return
    if index.rules.cooldown is None:
        days = USUAL_COOLDOWN.days
        remark(
            "Its upstream's files come through as soon as they are there. Most malicious releases are found within "
            f"days; let them wait: strongroom index set {index.name} --cooldown {days}d"
        )
    if index.upstream.url.startswith("http:"):
        remark("Its upstream is asked without encryption: whoever is on the way can read and change what comes.")


def _with(command: F, options: tuple[Callable[[F], F], ...]) -> F:
    for option in reversed(options):
        command = option(command)
    return command
