"""Scenarios of pages in JSON that are broken, or mean something that they must not mean."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from strongroom.adapters.upstream.site import JSON_TYPE
from tests.upstream.hostile_places import INSIDE
from tests.upstream.scenario import Expected, Scenario, Stage, Twist, with_body, with_json, with_text

SERVED, REFUSED, EITHER = Expected.SERVED, Expected.REFUSED, Expected.EITHER
Page = Any  # whatever JSON holds


def _text_scenarios() -> Iterator[Scenario]:
    whole: dict[str, bytes] = {
        "empty": b"",
        "space": b" \n",
        "null": b"null",
        "true": b"true",
        "number": b"1",
        "string": b'"page"',
        "list": b"[]",
        "object": b"{}",
        "nan": b"NaN",
        "words": b"Service unavailable",
        "html": b"<!DOCTYPE html><title>Sign in</title>",
        "nuls": b"\0" * 1000,
        "random": bytes(range(256)),
        "deep-list": b"[" * 100_000,
        "deep-object": b'{"files":' * 100_000,
        "deep-closed": b"[" * 50_000 + b"]" * 50_000,
        "many-keys": json.dumps({str(n): n for n in range(50_000)}).encode(),
        "long-number": b'{"files": ' + b"9" * 1_000_000 + b"}",
        "open-string": b'{"files": "',
        "utf-7": b"+AHs-",
    }
    for name, body in whole.items():
        yield Scenario(f"json-is-{name}", REFUSED, page=with_body(body, content_type=JSON_TYPE))
    changes: dict[str, tuple[Expected, Callable[[str, Stage], str]]] = {
        "trailing-comma": (REFUSED, lambda text, _: f"{text[:-1]},}}"),
        "trailing-junk": (REFUSED, lambda text, _: f"{text}junk"),
        "two-pages": (REFUSED, lambda text, _: text * 2),
        "single-quotes": (REFUSED, lambda text, _: text.replace('"', "'")),
        "comment": (REFUSED, lambda text, _: f"/* page */{text}"),
        "bom": (EITHER, lambda text, _: f"\ufeff{text}"),
        "nul-inside": (EITHER, lambda text, _: text.replace("demo", "de\0mo")),
        "nul-after": (EITHER, lambda text, _: f"{text}\0"),
        "invalid-utf-8": (EITHER, lambda text, _: text.replace('">=3.8"', '"\udcff\udcfe"')),
        "json-p": (REFUSED, lambda text, _: f"page({text})"),
        "lone-surrogate": (EITHER, lambda text, _: text.replace('">=3.8"', '"\\ud800"')),
        "prefix": (REFUSED, lambda text, _: f")]}}',\n{text}"),
        "key-twice": (EITHER, lambda text, _: text[:-1] + ', "files": []}'),
        "key-twice-first": (EITHER, lambda text, _: '{"files": [], ' + text[1:]),
        "spaces": (SERVED, lambda text, _: " \r\n\t" * 10_000 + text),
        "pretty": (SERVED, lambda text, _: json.dumps(json.loads(text), indent=4)),
        "escaped": (SERVED, lambda text, _: text.replace("sha256", "sh\\u0061256")),
        "tabs-in-string": (EITHER, lambda text, _: text.replace(">=3.8", ">=\t3.8")),
    }
    for name, (expected, change) in changes.items():
        yield Scenario(f"json-{name}", expected, page=with_text(change))
    for percent in range(5, 100, 10):
        yield Scenario(f"json-ends-at-{percent}", REFUSED, page=with_text(_ending_at(percent)))
    yield Scenario(
        "json-utf-16", REFUSED, page=lambda stage, reply: with_body(reply.body.decode().encode("utf-16"))(stage, reply)
    )
    yield Scenario("json-called-html", REFUSED, page=with_text(lambda text, _: text, content_type="text/html"))


def _ending_at(percent: int) -> Callable[[str, Stage], str]:
    return lambda text, stage: text[: len(text) * percent // 100]


_VALUES: dict[str, Page] = {
    "null": None, "zero": 0, "negative": -1, "huge": 10**400, "true": True, "empty": "", "long": "x" * 100_000,
    "list": [], "nested": [[{}]], "object": {}, "nul": "a\0b",
    "markup": "<script>alert(1)</script>", "line-breaks": "a\r\nb: c",
}  # fmt: skip
_NEEDED = ("filename", "url", "hashes")


def _type_scenarios() -> Iterator[Scenario]:
    for value_name, value in _VALUES.items():
        for field in ("meta", "name", "versions", "project-status", "alternate-locations"):
            yield Scenario(f"json-{field}-{value_name}", EITHER, page=with_json(_with_field(field, value)))
        yield Scenario(f"json-files-{value_name}", REFUSED, page=with_json(_with_field("files", value)))
        for field in ("requires-python", "yanked", "size", "upload-time", "core-metadata", "provenance", "gpg-sig"):
            yield Scenario(f"json-file-{field}-{value_name}", EITHER, page=with_json(_with_file(field, value)))
        for field in _NEEDED:
            yield Scenario(f"json-file-{field}-{value_name}", REFUSED, page=with_json(_with_file(field, value)))
        yield Scenario(f"json-sha256-{value_name}", REFUSED, page=with_json(_with_file("hashes", {"sha256": value})))
        yield Scenario(f"json-file-is-{value_name}", REFUSED, page=with_json(_with_field("files", [value])))
    for field in _NEEDED:
        yield Scenario(f"json-file-without-{field}", REFUSED, page=with_json(_without(field)))


def _with_field(field: str, value: Page) -> Callable[[Page, Stage], Page]:
    return lambda page, stage: {**page, field: value}


def _with_file(field: str, value: Page) -> Callable[[Page, Stage], Page]:
    return lambda page, stage: {**page, "files": [{**page["files"][0], field: value}]}


def _without(field: str) -> Callable[[Page, Stage], Page]:
    return lambda page, stage: {
        **page, "files": [{name: value for name, value in page["files"][0].items() if name != field}],
    }  # fmt: skip


def _meaning_scenarios() -> Iterator[Scenario]:
    names = (
        "../../../etc/passwd",
        "/etc/passwd",
        "..",
        ".",
        "C:\\evil.whl",
        "a/b-1.0-py3-none-any.whl",
        "-rf.whl",
        "con.whl",
        "other-1.0-py3-none-any.whl",
        "demo.exe",
        "demo-1.0.tar.bz2",
        "demo-1.0-py3-none-any.whl.asc",
        "%2e%2e%2fx.whl",
        "x" * 5000 + "-1.0.tar.gz",
        "d\u0435mo-1.0-py3-none-any.whl",
        "demo-1.0-py3-none-any.whl\n",
        " ",
        "--help",
    )
    for number, name in enumerate(names):
        yield Scenario(f"json-filename-{number}", REFUSED, page=with_json(_with_file("filename", name)))
    urls = (
        "javascript:alert(1)",
        "file:///etc/passwd",
        "ftp://upstream.example/x.whl",
        "data:,x",
        "//",
        "http://",
        "http:///x",
        "http://[::1",
        "\\\\server\\x.whl",
        "http://127.0.0.1\\@x/",
        "http://a b/x.whl",
        "http://u:p@10.0.0.1/",
        "x\ny",
        "?",
        "#",
        "http://nobody.invalid/x.whl",
        "http://127.0.0.1:1/x.whl",
        "/" * 10_000,
        "../" * 50 + "x.whl",
        "https://127.0.0.1:1/",
        *INSIDE,
    )
    for number, url in enumerate(urls):
        yield Scenario(f"json-url-{number}", REFUSED, page=with_json(_with_file("url", url)))
    yield from _hash_scenarios()


def _hash_scenarios() -> Iterator[Scenario]:
    hashes: dict[str, tuple[Expected, Page]] = {
        "md5": (REFUSED, {"md5": "0" * 32}),
        "none": (REFUSED, {}),
        "short": (REFUSED, {"sha256": "ab"}),
        "long": (REFUSED, {"sha256": "0" * 65}),
        "not-hex": (REFUSED, {"sha256": "z" * 64}),
        "wrong": (REFUSED, {"sha256": "0" * 64}),
        "of-nothing": (REFUSED, {"sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}),
        "sha512-only": (REFUSED, {"sha512": "0" * 128}),
        "list": (REFUSED, {"sha256": ["0" * 64]}),
        "spaces": (REFUSED, {"sha256": " " * 64}),
    }
    for name, (expected, told) in hashes.items():
        yield Scenario(f"json-hashes-{name}", expected, page=with_json(_with_file("hashes", told)))
    yield Scenario("json-hashes-upper-case", SERVED, page=with_json(_upper_case))
    for name, version, expected in (
        ("2-0", "2.0", REFUSED),
        ("1-99", "1.99", SERVED),
        ("10-0", "10.0", REFUSED),
        ("x", "x", EITHER),
    ):
        yield Scenario(f"json-api-{name}", expected, page=with_json(_with_field("meta", {"api-version": version})))
    sizes = {"zero": 0, "small": 10, "large": 10**15, "one-more": 1, "true": True}
    for name, size in sizes.items():
        yield Scenario(f"json-size-is-{name}", EITHER, page=with_json(_with_size(size, relative=name == "one-more")))
    for name, time in {
        "future": "2999-01-01T00:00:00Z",
        "past": "0001-01-01T00:00:00Z",
        "no-zone": "2025-01-01T00:00:00",
    }.items():
        yield Scenario(f"json-time-{name}", EITHER, page=with_json(_with_file("upload-time", time)))


def _upper_case(page: Page, stage: Stage) -> Page:
    return _with_file("hashes", {"sha256": stage.truth.sha256.upper()})(page, stage)


def _with_size(size: int, *, relative: bool) -> Callable[[Page, Stage], Page]:
    return lambda page, stage: _with_file("size", size + len(stage.truth.content) if relative else size)(page, stage)


def _many_scenarios() -> Iterator[Scenario]:
    twists: dict[str, tuple[Expected, Twist]] = {
        "twice": (SERVED, with_json(lambda page, _: {**page, "files": page["files"] * 2})),
        "thousand-times": (SERVED, with_json(lambda page, _: {**page, "files": page["files"] * 1000})),
        "twice-unlike": (REFUSED, with_json(_twice_unlike)),
        "beside-junk": (
            SERVED,
            with_json(lambda page, _: {**page, "files": [None, 1, "x", [], {}, *page["files"], {"url": 1}]}),
        ),
        "beside-another": (SERVED, with_json(_beside_another)),
        "other-digest-later": (EITHER, with_json(lambda page, stage: _other_digest(page) if stage.turn else page)),
        "other-project": (EITHER, with_json(lambda page, _: {**page, "name": "other-project"})),
        "files-gone-later": (EITHER, with_json(lambda page, stage: {**page, "files": []} if stage.turn else page)),
        "quarantined": (EITHER, with_json(lambda page, _: {**page, "project-status": {"status": "quarantined"}})),
    }
    for name, (expected, twist) in twists.items():
        yield Scenario(f"json-files-{name}", expected, page=twist)


def _other_digest(page: Page) -> Page:
    return {**page, "files": [{**page["files"][0], "hashes": {"sha256": "0" * 64}}]}


def _twice_unlike(page: Page, stage: Stage) -> Page:
    return {**page, "files": [*page["files"], *_other_digest(page)["files"]]}


def _beside_another(page: Page, stage: Stage) -> Page:
    other = {**page["files"][0], "filename": "other-2.0-py3-none-any.whl"}
    return {**page, "files": [other, *page["files"]]}


SCENARIOS: tuple[Scenario, ...] = (
    *_text_scenarios(), *_type_scenarios(), *_meaning_scenarios(), *_many_scenarios(),
)  # fmt: skip
