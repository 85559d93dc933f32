"""What every route of the application needs, as the oracle has it. A route that is not here fails the test."""

from __future__ import annotations

from tests.access_matrix.oracle import Demand

READ_INDEX = Demand("index", "read")
MANAGE_INDEX = Demand("index", "manage")
READ_PROJECT = Demand("project", "read")
ADMINISTER = Demand("server")
_API = "/api/v1"
_PROJECT = f"{_API}/indexes/{{index}}/projects/{{project}}"


def _both(path: str, demand: Demand, *methods: str) -> dict[tuple[str, str], Demand]:
    return {(method, f"{start}{path}"): demand for start in ("", "/{index}") for method in methods}


def _readable(path: str, demand: Demand) -> dict[tuple[str, str], Demand]:
    return _both(path, demand, "GET", "HEAD")


def _api(path: str, **demands: Demand) -> dict[tuple[str, str], Demand]:
    found = {(method, f"{_API}{path}"): demand for method, demand in demands.items()}
    return found | {("HEAD", f"{_API}{path}"): demand for method, demand in demands.items() if method == "GET"}


def _on_project(path: str, **rights: str) -> dict[tuple[str, str], Demand]:
    demands = {method: Demand("project", right) for method, right in rights.items()}
    return _api(f"{_PROJECT.removeprefix(_API)}{path}", **demands)


PUBLIC = Demand("public")
DEMANDS: dict[tuple[str, str], Demand] = {
    **{(method, path): PUBLIC for path in ("/healthz", "/readyz") for method in ("GET", "HEAD")},
    ("GET", "/metrics"): ADMINISTER,
    ("HEAD", "/metrics"): ADMINISTER,
    **{(method, "/"): PUBLIC for method in ("GET", "HEAD")},
    **{(method, "/setup"): PUBLIC for method in ("GET", "HEAD", "POST")},
    **_readable("/simple/", READ_INDEX),
    **_readable("/simple/{project}/", READ_PROJECT),
    **_readable("/legacy/+simple/{project}/", READ_PROJECT),
    **{(method, path): READ_PROJECT for path in (
        "/{index}/files/{project}/{filename}", "/{index}/files/{project}/{filename}.metadata",
        "/packages/{index}/files/{project}/{filename}", "/packages/{index}/files/{project}/{filename}.metadata",
    ) for method in ("GET", "HEAD")},
    **_readable("/pypi/{project}/json", READ_PROJECT),
    **_readable("/pypi/{project}/json/", READ_PROJECT),
    **_readable("/pypi/{project}/{version}/json", READ_PROJECT),
    **_readable("/pypi/{project}/{version}/json/", READ_PROJECT),
    **_readable("/integrity/{project}/{version}/{filename}/provenance", READ_PROJECT),
    **_both("/legacy/", Demand("upload", "upload"), "POST"),
    **_both("/legacy", Demand("upload", "upload"), "POST"),
    **_api("/openapi.json", GET=PUBLIC),
    **_api("/whoami", GET=Demand("signed")),
    **_api("/indexes", GET=Demand("signed"), POST=ADMINISTER),
    **_api("/indexes/{index}", GET=READ_INDEX, PATCH=Demand("index", "manage"), DELETE=Demand("server-index")),
    **_api("/indexes/{index}/projects", GET=READ_INDEX),
    **_api("/indexes/{index}/names", GET=MANAGE_INDEX),
    **_api("/indexes/{index}/names/{pattern}", PUT=MANAGE_INDEX, DELETE=MANAGE_INDEX),
    **_api("/indexes/{index}/name-report", GET=MANAGE_INDEX),
    **_api("/indexes/{index}/rules/trial", POST=MANAGE_INDEX),
    **_api("/indexes/{index}/exemptions", GET=Demand("exemption-list"), POST=Demand("exemption-request")),
    **_api("/indexes/{index}/exemptions/{exemption}", GET=Demand("exemption")),
    **_api("/indexes/{index}/exemptions/{exemption}/decision", POST=Demand("exemption-decision")),
    **_on_project("", GET="read", DELETE="delete"),
    **_on_project("/status", PUT="manage"),
    **_api(f"{_PROJECT.removeprefix(_API)}/explanation", GET=Demand("explanation")),
    **_on_project("/releases/{version}", GET="read", DELETE="delete"),
    **_on_project("/releases/{version}/yank", PUT="yank", DELETE="yank"),
    **_on_project("/files/{filename}", GET="read", DELETE="delete"),
    **_on_project("/files/{filename}/yank", PUT="yank", DELETE="yank"),
    **_api("/promotions", GET=Demand("signed"), POST=Demand("promote", "upload")),
    **_api("/promotions/{promotion}", GET=Demand("promotion", "read")),
    **_api("/promotions/{promotion}/decision", POST=Demand("promotion-decision", "manage")),
    **_api("/promotions/{promotion}/undo", POST=Demand("promotion-decision", "manage")),
    **_api("/users", GET=ADMINISTER, POST=ADMINISTER),
    **_api("/users/{user}", GET=Demand("own-user"), PATCH=ADMINISTER),
    **_api("/users/{user}/password", PUT=Demand("own-password"), DELETE=Demand("own-password")),
    **_api("/users/{user}/grants", POST=ADMINISTER, DELETE=ADMINISTER),
    **_api("/tokens", GET=Demand("signed"), POST=Demand("signed")),
    **_api("/tokens/{token}", DELETE=Demand("own-token")),
    **_api("/tokens/{token}/rotation", POST=Demand("own-rotation")),
    **_api("/audit/entries", GET=ADMINISTER),
    **_api("/audit/verification", GET=ADMINISTER),
    **_api("/changes", GET=ADMINISTER),
    **_api("/blobs/sha256/{digest}", GET=ADMINISTER),
    **_api("/replica", GET=ADMINISTER),
}  # fmt: skip
"""By method and path as the application writes it."""
