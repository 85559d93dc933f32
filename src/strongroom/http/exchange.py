"""One request and the way to answer it, without a framework.

Decides on what every answer has in common: no body for HEAD, 304 for what the client
has already. Does not know what is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

from starlette.types import Scope, Send

from strongroom.core.errors import StrongroomError
from strongroom.http.answers import Answer, is_unmodified
from strongroom.http.errors import Headers, render_error


@dataclass(slots=True)
class Exchange:
    """A request's scope, its headers by lower-case name, and where the answer goes."""

    scope: Scope
    send: Send
    headers: dict[bytes, bytes]
    has_begun: bool = False
    """Something was sent, so that no other answer can be given."""

    @property
    def is_head(self) -> bool:
        """Return whether only the headers are wanted."""
        return bool(self.scope["method"] == "HEAD")

    def text(self, name: bytes) -> str | None:
        """Return a header as text."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")

    async def give(self, answer: Answer) -> None:
        """Send the answer, or 304 when the client has it already."""
        if is_unmodified(self.headers.get(b"if-none-match"), answer.etag):
            await self.respond(304, headers=answer.headers_304)
        else:
            await self.respond(200, headers=answer.headers, body=answer.body)

    async def give_error(self, error: StrongroomError) -> None:
        """Send the problem that stands for the error."""
        status, headers, body = render_error(error)
        await self.respond(status, headers=headers, body=body)

    async def respond(self, status: int, *, headers: Headers, body: bytes = b"") -> None:
        """Send a whole response; HEAD gets the same headers and nothing else."""
        await self.start(status, headers=headers)
        await self.send({"type": "http.response.body", "body": b"" if self.is_head else body})

    async def start(self, status: int, *, headers: Headers) -> None:
        """Send status and headers; they are copied, since what is outside may change them."""
        self.has_begun = True
        await self.send({"type": "http.response.start", "status": status, "headers": headers.copy()})


def read_exchange(scope: Scope, send: Send) -> Exchange:
    """Return the exchange; repeated headers are joined as RFC 9110 5.2 says."""
    raw = scope["headers"]
    headers = dict(raw)
    if len(headers) != len(raw):
        headers.clear()
        for name, value in raw:
            headers[name] = headers[name] + b", " + value if name in headers else value
    return Exchange(scope, send, headers)
