"""`strongroom rules`: what an index lets through from upstreams, and what other rules would have hidden."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import click

from strongroom.cli.command import Group, wants_json
from strongroom.cli.output import print_done, print_json, print_list, remark
from strongroom.cli.parameters import COOLDOWN, INDEX, parsed
from strongroom.cli.store import run
from strongroom.core.names import IndexName
from strongroom.core.rule_changes import Rule, RuleChanges, change_rules
from strongroom.core.rule_text import (
    parse_licence,
    parse_named_versions,
    parse_platform,
    parse_size,
    rule_sentences,
)
from strongroom.core.rules import Rules

if TYPE_CHECKING:  # these take long to import, and `--help` needs none of them
    from strongroom.core.caller import Caller
    from strongroom.core.model import Index
    from strongroom.services import Services
    from strongroom.services.trial import TrialReport

F = TypeVar("F", bound=Callable[..., object])


_REQUIREMENT = parsed("REQUIREMENT", lambda raw: str(parse_named_versions(raw)))
_PLATFORM = parsed("PLATFORM", parse_platform)
_SIZE = parsed("SIZE", parse_size)
_LICENCE = parsed("SPDX", parse_licence)
_FLAGS = (
    click.option("--cooldown", type=COOLDOWN, help="How old a file must be upstream to come through: 3d, 12h, off."),
    click.option("--allow", "allowed", type=_REQUIREMENT, multiple=True, help="Only these: django, acme-*, 'a>=2'."),
    click.option("--deny", "denied", type=_REQUIREMENT, multiple=True, help="Never these, even if they are allowed."),
    click.option("--sdists/--no-sdists", "takes_sdists", default=None, help="Whether sdists come through."),
    click.option(
        "--platform",
        "platforms",
        type=_PLATFORM,
        multiple=True,
        help="Only wheels for this platform, a pattern, and for any: manylinux*_x86_64.",
    ),
    click.option("--max-size", "max_size_bytes", type=_SIZE, help="No larger files: 500MB."),
    click.option("--licence", "licences", type=_LICENCE, multiple=True, help="Only this licence: MIT."),
    click.option(
        "--unknown-licences/--no-unknown-licences",
        "takes_unknown_licences",
        default=None,
        help="Whether files come through that state no licence.",
    ),
    click.option("--yanked/--no-yanked", "takes_yanked", default=None, help="Whether yanked files come through."),
    click.option(
        "--clear",
        "cleared",
        type=click.Choice([rule.value for rule in Rule]),
        multiple=True,
        help="Switch this rule off first; what is named beside it counts afterwards.",
    ),
)
_index = click.option("--index", type=INDEX, required=True, help="The rules of which index.")


def _rule_flags(command: F) -> F:
    for option in reversed(_FLAGS):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFlags:
    """The flags as they were given; None or empty where nothing was said."""

    cooldown: timedelta | None
    allowed: tuple[str, ...]
    denied: tuple[str, ...]
    takes_sdists: bool | None
    platforms: tuple[str, ...]
    max_size_bytes: int | None
    licences: tuple[str, ...]
    takes_unknown_licences: bool | None
    takes_yanked: bool | None
    cleared: tuple[str, ...]

    def changes(self) -> RuleChanges:
        """Return what they change."""
        return RuleChanges(
            cleared=frozenset(map(Rule, self.cleared)),
            cooldown=self.cooldown,
            allowed=self.allowed,
            denied=self.denied,
            takes_sdists=self.takes_sdists,
            takes_yanked=self.takes_yanked,
            platforms=self.platforms,
            max_size_bytes=self.max_size_bytes,
            licences=self.licences,
            takes_unknown_licences=self.takes_unknown_licences,
        )


@click.group(cls=Group)
def group() -> None:
    """Show, set and try out what an index lets through from upstreams."""


@group.command()
@_index
def show(*, index: IndexName) -> None:
    """Show the rules of an index."""
    from strongroom.cli.views import view_rules

    summary = run(lambda services, caller: services.indexes.show(caller, index))
    if wants_json():
        print_json({"index": index, **view_rules(summary.index.rules)})
        return
    for sentence in rule_sentences(summary.index.rules):
        click.echo(sentence)
    if not rule_sentences(summary.index.rules):
        remark(f"The index '{index}' has no rules of its own: {_what_counts(summary.index)}.")


@group.command(name="set")
@_index
@_rule_flags
def change(*, index: IndexName, **given: Any) -> None:  # Any: each value has the type that its flag parses
    """Change the rules of an index; what is not named stays, and lists grow.

    Try the change out before: `strongroom rules try` takes the same flags.
    """
    from strongroom.cli.views import view_rules
    from strongroom.core.index_settings import IndexChanges

    changes = RuleFlags(**given).changes()
    if changes == RuleChanges():
        raise click.UsageError("Name a rule; see `strongroom rules set --help`.")

    async def work(services: Services, caller: Caller) -> Index:
        rules = await _changed_rules(services, caller, index=index, changes=changes)
        return await services.indexes.change(caller, index, changes=IndexChanges(rules=rules))

    rules = run(work).rules
    sentences = " ".join(rule_sentences(rules)) or "Everything comes through."
    print_done({"index": index, **view_rules(rules)}, f"The rules of '{index}': {sentences}")


@group.command(name="try")
@_index
@_rule_flags
@click.option("--days", type=int, default=30, help="On what came through in so many days (30).")
def attempt(*, index: IndexName, days: int, **given: Any) -> None:  # Any: each value has the type that its flag parses
    """List what the rules, changed so, would have hidden of what came through lately. Changes nothing.

    Judges each file at the moment when it came, or was last used; what nobody fetched is not in it.
    """
    changes = RuleFlags(**given).changes()

    async def work(services: Services, caller: Caller) -> TrialReport:
        rules = await _changed_rules(services, caller, index=index, changes=changes)
        return await services.trial.run(caller, index, rules=rules, days=days)

    report = run(work)
    _print_report(report, days=days)


async def _changed_rules(services: Services, caller: Caller, *, index: IndexName, changes: RuleChanges) -> Rules:
    summary = await services.indexes.show(caller, index)
    return change_rules(summary.index.rules, changes)


def _what_counts(index: Index) -> str:
    """Say what comes through an index without rules: the rules of its bases count on the way."""
    return f"those of {', '.join(index.bases)} count" if index.bases else "everything comes through"


def _print_report(report: TrialReport, *, days: int) -> None:
    from strongroom.cli.views import view_hidden_file, view_rules

    hidden = [view_hidden_file(item) for item in report.hidden]
    if wants_json():
        print_json({"rules": view_rules(report.rules), "judged": report.judged, "hidden": hidden})
        return
    if hidden:
        print_list(hidden, ("filename", "rule", "at", "reason"), empty="")
    files = "1 file" if report.judged == 1 else f"{report.judged} files"
    remark(f"Of {files} that came through in the last {days} days, {len(hidden) or 'none'} would have been hidden.")
