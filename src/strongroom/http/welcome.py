"""What a person sees who opens the server in a browser, until there are more pages.

`/` says what this is. `/setup` is the one-time link: GET shows a form and uses nothing
up, POST redeems the link and answers with HTML, plain text or JSON, the token once.
Decides nothing about the link (`services/setup.py` does).
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from urllib.parse import parse_qs

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from strongroom.core.caller import Caller
from strongroom.core.errors import StrongroomError
from strongroom.core.names import parse_user_name
from strongroom.http.body import allow_body
from strongroom.http.errors import extra_headers, status_of
from strongroom.http.routes import Public, Route
from strongroom.services.setup import Setup

_FORM_BYTES = 1024
"""A user name, and whatever a browser adds: this form is open to everybody."""

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:42rem;margin:10vh auto;padding:0 1rem;color-scheme:light dark}"
    "input,button{font:inherit;padding:.4rem .7rem}pre{padding:.8rem;overflow-x:auto;background:#8882}"
)
_SECURITY_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class Welcome:
    """The handlers of `/` and `/setup`."""

    setup: Setup
    prefix: str = ""

    def routes(self) -> list[Route]:
        """Return the routes; the secret in the link is the credential."""
        access = Public("the one-time secret in the link is the credential")
        return [
            Route("/", ("GET", "HEAD"), self.front, Public("it says what the server is, and nothing of what it holds")),
            Route("/setup", ("GET", "HEAD"), self.form, access),
            Route("/setup", ("POST",), self.redeem, access),
        ]

    async def front(self, _request: Request, _caller: Caller) -> Response:
        """Say what this is and where to go on."""
        url = escape(self.prefix, quote=True)
        return _page(
            "A private package index",
            f'<p>This is Strongroom. The index is at <a href="{url}/simple/">{url}/simple/</a>; sign in with '
            "<code>__token__</code> as the user name and a token as the password.</p>"
            "<p>Whoever runs this server makes tokens with <code>strongroom token create --user NAME</code>.</p>"
            f'<p>The API is described at <a href="{url}/api/v1/openapi.json">{url}/api/v1/openapi.json</a>.</p>',
        )

    async def form(self, request: Request, _caller: Caller) -> Response:
        """Show the form; the link stays good."""
        key = escape(request.query_params.get("key", ""), quote=True)
        return _page(
            "Make the first administrator",
            f'<form method="post" action="?key={key}"><p><label for="user">User name</label> '
            '<input id="user" name="user" value="admin" required autocomplete="username"> '
            "<button>Create and show the token</button></p></form>"
            "<p>The link works once. The token is shown once, so keep a password manager at hand.</p>",
        )

    async def redeem(self, request: Request, caller: Caller) -> Response:
        """Make the administrator and answer with his token."""
        wants = request.headers.get("accept", "")
        allow_body(request, _FORM_BYTES)
        try:
            fields = parse_qs((await request.body()).decode("utf-8", "replace"))
            name = parse_user_name((fields.get("user") or ["admin"])[0])
            made = await self.setup.redeem(caller, request.query_params.get("key", ""), name=name)
        except StrongroomError as error:
            return _refusal(error, wants)
        token = made.text.render()
        if "application/json" in wants:
            body = msgspec.json.encode({"user": made.user.name, "token": token})
            return Response(body, media_type="application/json", headers=_SECURITY_HEADERS)
        if "text/html" not in wants:
            return Response(f"{token}\n", media_type="text/plain", headers=_SECURITY_HEADERS)
        return _page(
            "Your token",
            f"<p>{escape(made.user.name)} is the administrator. This token is not shown again:</p>"
            f"<pre>{escape(token)}</pre><p>Send it as the password, with the user name <code>__token__</code>.</p>",
        )


def _refusal(error: StrongroomError, wants: str) -> Response:
    status = status_of(error).value
    headers = _SECURITY_HEADERS | {name.decode(): value.decode() for name, value in extra_headers(error)}
    headers.pop("www-authenticate", None)  # a browser would ask for a password that does not exist yet
    if "text/html" in wants:
        return _page("That did not work", f"<p>{escape(error.sentence)}</p>", status=status)
    return Response(f"{error.sentence}\n", status_code=status, media_type="text/plain", headers=headers)


def _page(title: str, content: str, *, status: int = 200) -> Response:
    html = (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)} - Strongroom</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>'
        f"<body><main><h1>{escape(title)}</h1>{content}</main></body></html>"
    )
    return Response(html, status_code=status, media_type="text/html", headers=_SECURITY_HEADERS)
