"""The change feed over REST, for replicas: changes with their rows, bytes by digest, and where a replica stands.

For administrators only: the feed carries digests of tokens and hashes of passwords. The
rows are in a form between two servers of one version, which the document does not describe.
"""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import Header, Path, Query
from pydantic import Field
from starlette.responses import Response, StreamingResponse

from strongroom.core.access import Right, not_found
from strongroom.core.errors import InvalidName
from strongroom.core.names import parse_sha256
from strongroom.core.replica import MOST_EVENTS, NONCE_HEADER, SIGNATURE_HEADER, encode_page
from strongroom.http.api.endpoint import CurrentCaller, Endpoint
from strongroom.http.api.fields import Time, View
from strongroom.http.routes import Needs, Subject
from strongroom.services.replica import ChangeFeed, Replica

TAG = "replica"
_LARGEST = 2**53


class StandingView(View):
    """Where this server stands."""

    is_replica: bool
    primary: str | None = Field(description="The URL of the server that it follows; null when it follows none.")
    serial: int = Field(description="The number of the last change that is here.")
    level_at: Time | None = Field(description="When it last had everything that its primary had; null for never.")
    behind_seconds: float | None = Field(description="How long ago that is: younger changes may be missing here.")
    missing_files: int = Field(description="How many blobs are listed and not here: its primary has none.")


class Octets(StreamingResponse):
    """Bytes as they are."""

    media_type = "application/octet-stream"


class ChangeEndpoints:
    """The endpoints that replicas ask, and the one about being a replica."""

    def __init__(self, feed: ChangeFeed, replica: Replica) -> None:
        self._feed = feed
        self._replica = replica

    def endpoints(self) -> list[Endpoint]:
        """Return the endpoints of this family."""
        administer = Needs(Right.ADMINISTER, Subject.SERVER)
        return [
            Endpoint("GET", "/changes", self.list_changes, administer),
            Endpoint("GET", "/blobs/sha256/{digest}", self.fetch_blob, administer, problems=(404,), answers=Octets),
            Endpoint("GET", "/replica", self.show_replica, administer),
        ]

    async def list_changes(
        self,
        caller: CurrentCaller,
        *,
        since: Annotated[int, Query(ge=0, le=_LARGEST, description="The last change that is known.")] = 0,
        limit: Annotated[int, Query(ge=1, le=MOST_EVENTS, description="How many changes at most.")] = MOST_EVENTS,
        nonce: Annotated[
            str, Header(alias=NONCE_HEADER, pattern="^[0-9a-f]{0,64}$", description="Goes into the answer's signature.")
        ] = "",
    ) -> Response:
        """List what changed, for a replica.

        The events after a serial, and the rows that they are about as these stand now. A header
        signs the answer with the key that both servers have.
        """
        body = encode_page(await self._feed.list_changes(caller, since=since, limit=limit))
        signature = await asyncio.to_thread(self._feed.sign, body, nonce=nonce)  # it may be many megabytes
        return Response(body, media_type="application/json", headers={SIGNATURE_HEADER: signature})

    async def fetch_blob(
        self,
        caller: CurrentCaller,
        digest: Annotated[str, Path(description="The SHA-256 of the bytes, in hexadecimal.", examples=["0" * 64])],
        *,
        size_bytes: Annotated[
            int | None, Query(ge=0, le=_LARGEST, description="How many there are; needed for all but small ones.")
        ] = None,
    ) -> Response:
        """Fetch bytes by their digest, for a replica."""
        try:
            sha256 = parse_sha256(digest)
        except InvalidName:
            raise not_found() from None
        return Octets(await self._feed.open_blob(caller, sha256, size_bytes=size_bytes))

    async def show_replica(self, caller: CurrentCaller) -> StandingView:
        """Show whether this server is a replica, and how far behind."""
        standing = await self._replica.get_standing(caller)
        return StandingView(
            is_replica=standing.primary is not None,
            primary=standing.primary,
            serial=standing.serial,
            level_at=standing.level_at,
            behind_seconds=None if standing.behind is None else standing.behind.total_seconds(),
            missing_files=standing.lacking,
        )
