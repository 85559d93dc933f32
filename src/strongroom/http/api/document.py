"""The OpenAPI document: FastAPI's, with the rights, the security schemes and the problems of this house.

Decides what each operation tells about who may use it. Is made at the first request,
since no installing client ever asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.responses import Response

from strongroom.core.access import Right
from strongroom.http.api.endpoint import GuardedRoute
from strongroom.http.api.problems import PROBLEM_SCHEMA
from strongroom.http.routes import Access, Needs, Public, SignedIn, Subject

_DESCRIPTION = """\
What the command line and the pages of Strongroom can do, over HTTP.

Send a token as Bearer, or as the password of Basic with the user name `__token__`; a
user's own name and password work too. Cookies are not looked at. Each operation tells
the right that it needs (`x-right`); what you may not read answers 404, as if it did not
exist. Times are RFC 3339 in UTC, sizes are bytes. Lists come in pages: send
`next_cursor` back as `cursor`.
"""
_SECURITY_SCHEMES = {
    "basic": {
        "type": "http",
        "scheme": "basic",
        "description": "The user name `__token__` with a token, or a user with his password.",
    },
    "bearer": {"type": "http", "scheme": "bearer", "description": "A token."},
}
_CREDENTIALS: list[dict[str, list[str]]] = [{"basic": []}, {"bearer": []}]


class OpenApiDocument:
    """The document of an application's routes, its own included."""

    def __init__(self, app: FastAPI, routes: Sequence[GuardedRoute], *, server_url: str) -> None:
        self._app = app
        self._routes = routes
        self._server_url = server_url
        self._rendered: bytes | None = None

    async def show_document(self) -> Response:
        """Show the OpenAPI document."""
        if self._rendered is None:
            self._rendered = msgspec.json.encode(self.build())
        return Response(self._rendered, media_type="application/json")

    def build(self) -> dict[str, Any]:  # Any: JSON
        """Return the document as JSON values."""
        document = get_openapi(
            title=self._app.title,
            version=self._app.version,
            description=_DESCRIPTION,
            routes=self._routes,
            servers=[{"url": self._server_url}],
            separate_input_output_schemas=False,
        )
        for route in self._routes:
            for method in route.methods or ():
                operation = document["paths"][route.path_format][method.lower()]
                operation["x-right"] = describe_right(route.access)
                operation["security"] = describe_security(route.access)
        components = document.setdefault("components", {})
        components["securitySchemes"] = _SECURITY_SCHEMES
        components.setdefault("schemas", {})["Problem"] = PROBLEM_SCHEMA
        return document


def describe_right(access: Access) -> dict[str, str]:
    """Return the declared right as the document tells it."""
    match access:
        case Needs(right, subject):
            return {"right": str(right), "on": subject.value}
        case SignedIn(reason):
            return {"right": "signed-in", "reason": reason}
        case Public(reason):
            return {"right": "public", "reason": reason}


def describe_security(access: Access) -> list[dict[str, list[str]]]:
    """Return OpenAPI's security requirement; an index may be open to readers without credentials."""
    match access:
        case Public():
            return []
        case Needs(Right.READ, Subject.INDEX | Subject.PROJECT):
            return [*_CREDENTIALS, {}]
        case _:
            return list(_CREDENTIALS)
