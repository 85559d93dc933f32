"""Puts the HTTP side together: caches, sign-in, the lane, the routes, the API.

Decides nothing but the order of the layers: errors and body limits outside, then the
hot path, then everything else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.types import ASGIApp

from strongroom.core.access import Network
from strongroom.core.names import IndexName
from strongroom.http.api.late import PATH as API_PATH
from strongroom.http.api.late import LateApi, late_api
from strongroom.http.app import Guard, build_router
from strongroom.http.auth import Authenticator
from strongroom.http.body import BodyDeadlines, BodyGuard
from strongroom.http.cache import Cache
from strongroom.http.cross_site import origin_of
from strongroom.http.entrance import Catching
from strongroom.http.files import Files
from strongroom.http.integrity import Integrity
from strongroom.http.jsonapi import JsonApi
from strongroom.http.lane import Lane
from strongroom.http.metrics import Meters
from strongroom.http.metrics_board import Board
from strongroom.http.operation import Operation
from strongroom.http.pages import Pages
from strongroom.http.readiness import Readiness, store_looks
from strongroom.http.upload import Legacy
from strongroom.http.welcome import Welcome
from strongroom.services import Services


@dataclass(frozen=True, slots=True)
class Parts:
    """What the HTTP side is made of."""

    services: Services
    default_index: IndexName
    trusted_proxies: tuple[Network, ...] = ()
    public_url: str | None = None
    prefix: str = ""
    cache_bytes: int = 256 * 1024 * 1024
    body_deadlines: BodyDeadlines = field(default_factory=BodyDeadlines)
    board: Board = field(default_factory=Board)
    metrics_networks: tuple[Network, ...] = ()
    version: str = ""
    free_bytes: Callable[[], int] | None = None


@dataclass(frozen=True, slots=True)
class Assembled:
    """The application, and what of it the worker looks after."""

    app: ASGIApp
    cache: Cache
    authenticator: Authenticator
    api: LateApi
    readiness: Readiness
    meters: Meters


def assemble(parts: Parts) -> Assembled:
    """Return the application; fails if a route does not declare the right that it needs."""
    services = parts.services
    cache = Cache(services.catalog, services.clock, limit_bytes=parts.cache_bytes)
    authenticator = Authenticator(
        services.sign_in,
        cache,
        clock=services.clock,
        trusted_proxies=parts.trusted_proxies,
        own_origin=origin_of(parts.public_url),
    )
    guard = Guard(authenticator, cache, parts.default_index)
    readiness = Readiness(store_looks(services.catalog, services.blobs))
    routes = [
        *Operation(readiness, lambda: meters, parts.metrics_networks, services.replica.follower.find_lag).routes(),
        *Welcome(services.setup, parts.prefix).routes(),
        *Legacy(services.publish, parts.default_index).routes(),
        *JsonApi(
            services.browse,
            cache,
            default_index=parts.default_index,
            public_url=parts.public_url,
            prefix=parts.prefix,
        ).routes(),
        *Integrity(services.download, default_index=parts.default_index).routes(),
    ]
    api = late_api(services, guard, prefix=parts.prefix)
    router = build_router(guard, routes, mounts=[(API_PATH, api)])
    lane = Lane(
        router,
        authenticator=authenticator,
        cache=cache,
        pages=Pages(services.browse, cache, clock=services.clock, public_url=parts.public_url),
        files=Files(services.download, cache),
        default_index=parts.default_index,
    )
    meters = Meters(
        parts.board,
        services.catalog,
        cache,
        lane,
        services.passage.outcomes,
        version=parts.version,
        free_bytes=parts.free_bytes,
    )
    app = BodyGuard(Catching(lane), parts.body_deadlines)
    return Assembled(app, cache, authenticator, api, readiness, meters)
