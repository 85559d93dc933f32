"""`strongroom replicate`: follow another Strongroom, say how far behind it this one is, take its place.

Decides nothing about copying (`services/replica/`). Following is serving: `--from` starts
the server, which from then on is a replica at each start, until it is promoted.
"""

from __future__ import annotations

import os
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from strongroom.cli.apart import run_apart
from strongroom.cli.command import Command
from strongroom.cli.output import print_done, print_item, remark
from strongroom.cli.store import chosen_settings, has_store, run
from strongroom.core.errors import ConfigurationFault, InvalidRequest

if TYPE_CHECKING:  # these take long to import, and `--help` needs none of them
    from strongroom.core.caller import Caller
    from strongroom.services import Services
    from strongroom.services.replica import Standing

_VARIABLE = "STRONGROOM_REPLICATE_TOKEN"


@click.command(name="replicate", cls=Command)
@click.option("--from", "url", metavar="URL", help="Follow the Strongroom at this URL, and serve reads.")
@click.option("--token", envvar=_VARIABLE, help=f"An administrator's token of it; better in {_VARIABLE}.")
@click.option("--without-tls", is_flag=True, help="Ask an http:// URL of another machine: others can read along.")
@click.option("--status", is_flag=True, help="Say how far behind this replica is.")
@click.option("--promote", is_flag=True, help="End following, and take changes from now on.")
@click.option("--anyway", is_flag=True, help="Promote although the primary answers, or never was copied to its end.")
@click.option("--host", help="The address to listen on (127.0.0.1).")
@click.option("--port", type=int, help="The port to listen on (8000).")
@click.option("--public-url", help="The URL that clients use, when a proxy stands in front.")
@click.pass_context
def command(
    context: click.Context, /, url: str | None, *, token: str | None, status: bool, promote: bool, **flags: Any
) -> None:  # Any: values as click parsed them
    """Follow another Strongroom: copy what it has, serve it, and take its place when it is gone.

    First copy secret.key of the primary into the empty data directory.
    """
    if [url is not None, status, promote].count(True) != 1:
        raise InvalidRequest("replicate", "Say one of --from, --status and --promote", "See `strongroom replicate -h`.")
    anyway, without_tls = bool(flags.pop("anyway")), bool(flags.pop("without_tls"))
    if status:
        _show_status()
    elif promote:
        _promote(anyway=anyway)
    elif url is not None:
        _follow(_parse_url(url, without_tls=without_tls), token)
        os.environ.pop(_VARIABLE, None)  # it is kept sealed, and the workers need not inherit it
        from strongroom.cli.serve import command as serve

        context.invoke(serve, **flags)


def _follow(url: str, token: str | None) -> None:
    """Begin to follow, so that whatever is wrong is told before anything listens."""
    settings = chosen_settings()
    if not has_store(settings):
        raise ConfigurationFault(
            "replica-key-missing",
            f"There is no key in {settings.directory}, so no token and no log of the primary could be checked",
            "Copy secret.key from the primary's data directory there first (mode 0600).",
        )
    if token is None:
        raise InvalidRequest(
            "replicate-token",
            "A replica needs a token of its primary",
            f"Make one there with `strongroom token create --user ADMIN --right administer`; "
            f"give it with --token or {_VARIABLE}.",
        )

    async def begin(services: Services, caller: Caller) -> None:
        await services.replica.begin(caller, url, token=token)

    if settings.blobs:
        run_apart(lambda: run(begin))
    else:
        run(begin)
    remark(f"This is a replica of {url}: it serves what is copied, and takes no changes.")


def _show_status() -> None:
    async def look(services: Services, caller: Caller) -> dict[str, object]:
        standing = await services.replica.get_standing(caller)
        if standing.primary is None:
            return _view(standing)
        answering = await services.replica.ask_primary(caller)
        return {
            **_view(standing),
            "primary_answers": not answering.is_silent,
            "missing_changes": answering.missing,
            "trouble": answering.trouble,
        }

    print_item(run(look))


def _promote(*, anyway: bool) -> None:
    async def take_over(services: Services, caller: Caller) -> tuple[Standing, Standing, int]:
        before = await services.replica.get_standing(caller)
        after = await services.replica.promote(caller, although_it_answers=anyway)
        report = await services.upkeep.verify(caller, sample_percent=0)
        return before, after, len(report.faults)

    before, after, faults = run(take_over)
    level = "never" if before.level_at is None else f"at {before.level_at.isoformat(timespec='seconds')}"
    data = {**_view(before), "is_replica": False, "serial": after.serial, "missing_files": faults}
    print_done(data, f"This server takes changes from now on. It last had everything of {before.primary} {level}.")
    if faults:
        remark(f"{faults} files are not here: `strongroom verify` names them.")


def _view(standing: Standing) -> dict[str, object]:
    return {
        "is_replica": standing.primary is not None,
        "primary": standing.primary,
        "serial": standing.serial,
        "level_at": None if standing.level_at is None else standing.level_at.isoformat(timespec="seconds"),
        "behind_seconds": None if standing.behind is None else round(standing.behind.total_seconds(), 1),
        "missing_files": standing.lacking,
    }


def _parse_url(raw: str, *, without_tls: bool) -> str:
    parts = urlsplit(raw)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in raw or parts.query or parts.fragment:
        raise InvalidRequest(
            "replicate-url",
            "This is not the URL of a Strongroom",
            "Write it without credentials, such as https://packages.company.example",
        )
    if parts.scheme == "http" and not _is_loopback(raw):
        if not without_tls:
            raise InvalidRequest(
                "replicate-tls",
                "Without TLS the token and all that the primary holds can be read on the way",
                "Write an https:// URL; or say --without-tls, if nobody else is on that network.",
            )
        remark("The primary is asked without TLS: its token and all that it holds can be read on the way.")
    return raw.rstrip("/")


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
