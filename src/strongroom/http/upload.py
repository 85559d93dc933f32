"""The upload URL: `POST /{index}/legacy/`, as twine, uv and the others speak it.

Reads the form while it arrives, hands the file to the use case and answers. Does not
decide anything about the upload (`services/publish.py`, `core/upload.py`); hatch's
page below this URL belongs to the lane.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from strongroom.core.access import Right
from strongroom.core.caller import Caller
from strongroom.core.errors import StrongroomError
from strongroom.core.names import IndexName
from strongroom.http.body import allow_body
from strongroom.http.form import LONGEST_IGNORED_BYTES, read_form
from strongroom.http.routes import Needs, Route, Subject, read_index
from strongroom.http.upload_answers import answer_published, answer_refusal
from strongroom.http.upload_fields import ACTION, KEPT, SPARE, check_action, read_upload_form
from strongroom.services.publish import Publish

# twine and poetry take any redirect for an error, so both spellings are answered.
_PATHS = ("/{index}/legacy/", "/{index}/legacy", "/legacy/", "/legacy")
_log = logging.getLogger(__name__)
_FORM_BYTES = LONGEST_IGNORED_BYTES
"""What the form may have besides its file."""


@dataclass(frozen=True, slots=True)
class Legacy:
    """The handlers of the upload URL."""

    publish: Publish
    default_index: IndexName

    def routes(self) -> list[Route]:
        """Return the routes; which project it is about is known, and judged, when the body was read."""
        access = Needs(Right.UPLOAD, Subject.SOME_PROJECT)
        return [Route(path, ("POST",), self.upload, access, _refuse) for path in _PATHS]

    async def upload(self, request: Request, caller: Caller) -> Response:
        """Publish the file of the form."""
        check_action(request.query_params.get(ACTION, ""))
        index = read_index(request.path_params, self.default_index)
        allow_body(request, self.publish.limit_bytes, extra_bytes=_FORM_BYTES)
        async with self.publish.begin(caller, index) as upload:
            content_type = request.headers.get("content-type", "")
            form = await read_form(request.stream(), content_type, keep=KEPT, sink=upload, spare=SPARE)
            return answer_published(await upload.finish(read_upload_form(form)))


def _refuse(error: StrongroomError, request: Request) -> Response:
    return answer_refusal(error, request.headers.get("accept", ""))
