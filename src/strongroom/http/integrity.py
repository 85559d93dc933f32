"""The integrity API (PEP 740): the provenance of a file, where it came with attestations.

Decides on the form only; which attestations are kept was decided at the upload.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from strongroom.core.access import ProjectTarget, Right, not_found
from strongroom.core.caller import Caller
from strongroom.core.errors import InvalidName, NotAcceptable
from strongroom.core.names import IndexName, parse_filename, parse_version
from strongroom.core.simpleapi.negotiate import Coding, choose_offer
from strongroom.core.simpleapi.representation import represent
from strongroom.http.answers import REVALIDATE, make_answer
from strongroom.http.jsonapi import render_answer
from strongroom.http.routes import Needs, Route, Subject, read_index, read_project
from strongroom.services.download import Download, FoundFile

_METHODS = ("GET", "HEAD")
_INTEGRITY_V1 = "application/vnd.pypi.integrity.v1+json"
_OFFERS = (_INTEGRITY_V1, "application/json")


class Integrity:
    """Handlers of the integrity API."""

    def __init__(self, download: Download, *, default_index: IndexName) -> None:
        self._download = download
        self._default_index = default_index

    def routes(self) -> tuple[Route, ...]:
        """Return the routes."""
        rest = "/integrity/{project}/{version}/{filename}/provenance"
        return tuple(
            Route(f"{start}{rest}", _METHODS, self.handle, Needs(Right.READ, Subject.PROJECT))
            for start in ("", "/{index}")
        )

    async def handle(self, request: Request, _caller: Caller) -> Response:
        """Answer with the provenance object; raises `NotFound`, `NotAcceptable`, or `Forbidden` in quarantine."""
        media_type = choose_offer(request.headers.get("accept"), _OFFERS, otherwise=_INTEGRITY_V1)
        if media_type is None:
            raise NotAcceptable("not-acceptable", "The provenance is JSON only", f"Accept {_INTEGRITY_V1}.")
        content = await self._download.get_provenance(await self._get_file(request))
        representation = represent(media_type, content, coding=Coding.IDENTITY)
        answer = make_answer(representation, cache_control=REVALIDATE, vary=b"Accept, Authorization", extra=[])
        return render_answer(request, answer)

    async def _get_file(self, request: Request) -> FoundFile:
        index, project = read_index(request.path_params, self._default_index), read_project(request.path_params)
        try:
            filename = parse_filename(request.path_params["filename"])
            version = parse_version(request.path_params["version"])
        except InvalidName:
            raise not_found() from None
        found = await self._download.get_file(ProjectTarget(index, project), filename)
        if found.file.version != version:
            raise not_found()
        return found
