from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from strongroom.http.api import fields
from strongroom.http.api.late import PATH, LateApi, late_api
from tests.http.api.office import Office
from tests.http.api.test_rights import RIGHTS

Operation = dict[str, Any]  # Any: JSON, of which each test says what it expects


def document(office: Office) -> dict[str, Any]:  # Any: JSON
    """Return the OpenAPI document."""
    return office.ask("GET", "/openapi.json").json


def operations(office: Office) -> Iterator[tuple[tuple[str, str], Operation]]:
    """Yield each operation under its method and path."""
    for path, methods in document(office)["paths"].items():
        for method, operation in methods.items():
            yield (method.upper(), path), operation


def test_the_document_is_public(office: Office) -> None:
    """Anybody may read it; it is OpenAPI 3.1 and says where the API is."""
    found = document(office)
    assert found["openapi"].startswith("3.1")
    assert found["servers"] == [{"url": PATH}]
    assert found["components"]["securitySchemes"].keys() == {"basic", "bearer"}


def test_a_proxys_prefix_is_in_it(office: Office) -> None:
    """Behind a proxy that puts a path in front, the document says so."""
    office.mount(late_api(office.use_cases, office.guard, prefix="/packages"))
    assert document(office)["servers"] == [{"url": f"/packages{PATH}"}]


def test_there_is_no_page_that_loads_scripts_from_elsewhere(office: Office) -> None:
    """FastAPI's documentation pages, which load from a CDN, are off."""
    assert [office.ask("GET", path).status for path in ("/docs", "/redoc", "/docs/oauth2-redirect")] == [404] * 3


def test_every_operation_is_in_it(office: Office) -> None:
    """The document holds all endpoints, itself too, each with a name of its own, a summary and its right."""
    found = dict(operations(office))
    assert found.keys() == RIGHTS.keys()
    assert len({operation["operationId"] for operation in found.values()}) == len(found)
    assert all(operation["summary"] and operation["tags"] for operation in found.values())
    told = {key: operation["x-right"] for key, operation in found.items()}
    for key, right in told.items():
        words = right["right"].replace("-", " ") if "reason" in right else f"{right['right']} {right['on']}"
        assert words == RIGHTS[key]


def test_credentials_are_declared(office: Office) -> None:
    """All operations take either scheme; reading can do without, for indexes that are open; the document is public."""
    either: list[dict[str, list[str]]] = [{"basic": []}, {"bearer": []}]
    expected = {"read index": [*either, {}], "read project": [*either, {}], "public": []}
    for key, operation in operations(office):
        assert operation["security"] == expected.get(RIGHTS[key], either)


def test_problems_are_declared(office: Office) -> None:
    """Each operation declares the statuses that can come, all as problem+json."""
    for key, operation in operations(office):
        responses = operation["responses"]
        assert {"422", "5XX"} <= responses.keys(), key
        assert RIGHTS[key] == "public" or {"401", "403", "429"} <= responses.keys(), key
        if "requestBody" in operation:
            assert {"400", "408", "413"} <= responses.keys(), key
        problems = {status: response for status, response in responses.items() if not status.startswith("2")}
        for response in problems.values():
            assert response["content"] == {
                "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
            }
    assert "HTTPValidationError" not in document(office)["components"]["schemas"]


def test_examples_are_accepted() -> None:
    """Every body in the document comes with an example, and the example is one that the API takes."""
    bodies = set(_subclasses(fields.Body))
    assert len(bodies) > 10
    for model in bodies:
        examples = model.model_config["json_schema_extra"]
        assert isinstance(examples, dict)
        shown = examples["examples"]
        assert isinstance(shown, list)
        for example in shown:
            model.model_validate(example)


def test_limits_are_declared(office: Office) -> None:
    """A number's limits are in the document, and a whole number may be written as 30.0."""
    schemas = document(office)["components"]["schemas"]
    days, overlap = schemas["NewTokenBody"]["properties"]["lifetime_days"], schemas["RotationBody"]["properties"]
    assert {"type": "integer", "minimum": 1, "maximum": 36500} in days["anyOf"]
    assert (overlap["overlap_seconds"]["minimum"], overlap["overlap_seconds"]["maximum"]) == (0, 2_592_000)
    made = office.ask("POST", "/tokens", token=office.bob, json={"lifetime_days": 30.0})
    assert (made.status, made.json["expires_at"]) == (201, "2026-02-04T12:00:00Z")


def test_the_api_is_built_when_it_is_first_asked(office: Office) -> None:
    """Nothing of FastAPI is imported for a server that nobody asks; the first request builds it, once."""
    office.mount(late_api(office.use_cases, office.guard))
    assert office.ask("GET", "/whoami", token=office.carol).json["user"] == "carol"
    code = "import sys, strongroom.http.api.late; sys.exit('fastapi' in sys.modules or 'pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_api_is_built_once(office: Office) -> None:
    """Requests that come while it is being built wait for the same one."""
    built: list[int] = []

    def build() -> Any:  # Any: an ASGI application
        built.append(1)
        return office.api

    async def ask_twice() -> None:
        late = LateApi(build)
        first, second = await asyncio.gather(late.prepare(), late.prepare())
        assert first is second

    asyncio.run(ask_twice())
    assert built == [1]


def _subclasses(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for child in model.__subclasses__():
        yield child
        yield from _subclasses(child)
