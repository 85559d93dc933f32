"""What a path names: an index, a project, a release, a file, a user, a token.

A malformed name in a path is a thing that does not exist: the answer is the same 404
as for a missing one. The patterns are only told (in the OpenAPI document), not
enforced by FastAPI.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, TypeVar

from fastapi import Depends, Path

from strongroom.core.access import ProjectTarget, not_found
from strongroom.core.errors import InvalidName
from strongroom.core.exemptions import parse_exemption_id
from strongroom.core.names import (
    Filename,
    IndexName,
    ProjectPattern,
    TokenId,
    UserName,
    parse_filename,
    parse_index_name,
    parse_project_name,
    parse_project_pattern,
    parse_token_id,
    parse_user_name,
    parse_version,
)
from strongroom.core.promotions import parse_promotion_id
from strongroom.http.api.fields import INDEX_SCHEMA, PATTERN_SCHEMA, PROJECT_SCHEMA, USER_SCHEMA, VERSION_SCHEMA
from strongroom.services.releases import Selection

T = TypeVar("T")

_PATTERN_SCHEMA: dict[str, object] = {key: PATTERN_SCHEMA[key] for key in ("pattern", "examples")}
_FILENAME_SCHEMA: dict[str, object] = {
    "pattern": r"^[A-Za-z0-9][A-Za-z0-9._+!~-]{0,200}\.(whl|tar\.gz|zip)$",
    "examples": ["acme_billing-1.2.0-py3-none-any.whl"],
}
_EXEMPTION_SCHEMA: dict[str, object] = {"pattern": "^[0-9a-f]{16}$", "examples": ["5b1f0c9ad27e4f33"]}
_PROMOTION_SCHEMA: dict[str, object] = {"pattern": "^[0-9a-f]{16}$", "examples": ["5b1f0c9ad27e4f33"]}
_TOKEN_SCHEMA: dict[str, object] = {"pattern": "^[0-9A-Za-z]{16}$", "examples": ["0Jb5n3cWPYJ0Cw2x"]}

_IndexPath = Annotated[str, Path(description="The index's name.", json_schema_extra=INDEX_SCHEMA)]
_ProjectPath = Annotated[
    str, Path(description="The project's name, normalised (PEP 503) or not.", json_schema_extra=PROJECT_SCHEMA)
]
_PatternPath = Annotated[
    str, Path(description="A name, or a prefix such as acme-*.", json_schema_extra=_PATTERN_SCHEMA)
]
_VersionPath = Annotated[str, Path(description="A version (PEP 440).", json_schema_extra=VERSION_SCHEMA)]
_FilenamePath = Annotated[str, Path(description="A wheel's or sdist's filename.", json_schema_extra=_FILENAME_SCHEMA)]
_ExemptionPath = Annotated[str, Path(description="The exemption's id.", json_schema_extra=_EXEMPTION_SCHEMA)]
_PromotionPath = Annotated[str, Path(description="The promotion's id.", json_schema_extra=_PROMOTION_SCHEMA)]
_UserPath = Annotated[str, Path(description="The user's name.", json_schema_extra=USER_SCHEMA)]
_TokenPath = Annotated[str, Path(description="The token's id, not its secret.", json_schema_extra=_TOKEN_SCHEMA)]


def _existing(parse: Callable[[str], T], raw: str) -> T:
    try:
        return parse(raw)
    except InvalidName:
        raise not_found() from None


async def read_index(index: _IndexPath) -> IndexName:
    """Return the index that the path names; raises `NotFound`."""
    return _existing(parse_index_name, index)


async def read_project(index: _IndexPath, project: _ProjectPath) -> ProjectTarget:
    """Return the project that the path names; raises `NotFound`."""
    return ProjectTarget(_existing(parse_index_name, index), _existing(parse_project_name, project))


async def read_pattern(pattern: _PatternPath) -> ProjectPattern:
    """Return the name or prefix that the path names; raises `NotFound`."""
    return _existing(parse_project_pattern, pattern)


async def read_release(target: ProjectPlace, version: _VersionPath) -> Selection:
    """Return the release that the path names; raises `NotFound`."""
    return Selection(target.index, target.project, version=_existing(parse_version, version))


async def read_filename(filename: _FilenamePath) -> Filename:
    """Return the filename in the path; raises `NotFound`."""
    return _existing(parse_filename, filename)


async def read_file(target: ProjectPlace, filename: FilenamePlace) -> Selection:
    """Return the file that the path names; raises `NotFound`."""
    return Selection(target.index, target.project, filename=filename)


async def read_exemption(exemption: _ExemptionPath) -> str:
    """Return the id of the exemption that the path names; raises `NotFound`."""
    return _existing(parse_exemption_id, exemption)


async def read_promotion(promotion: _PromotionPath) -> str:
    """Return the id of the promotion that the path names; raises `NotFound`."""
    return _existing(parse_promotion_id, promotion)


async def read_user(user: _UserPath) -> UserName:
    """Return the user that the path names; raises `NotFound`."""
    return _existing(parse_user_name, user)


async def read_token(token: _TokenPath) -> TokenId:
    """Return the token that the path names; raises `NotFound`."""
    return _existing(parse_token_id, token)


IndexPlace = Annotated[IndexName, Depends(read_index)]
ProjectPlace = Annotated[ProjectTarget, Depends(read_project)]
PatternPlace = Annotated[ProjectPattern, Depends(read_pattern)]
ReleasePlace = Annotated[Selection, Depends(read_release)]
FilenamePlace = Annotated[Filename, Depends(read_filename)]
FilePlace = Annotated[Selection, Depends(read_file)]
ExemptionPlace = Annotated[str, Depends(read_exemption)]
PromotionPlace = Annotated[str, Depends(read_promotion)]
UserPlace = Annotated[UserName, Depends(read_user)]
TokenPlace = Annotated[TokenId, Depends(read_token)]
