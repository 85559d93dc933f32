"""Scenarios of good HTTP with wrong bytes: other bodies, packed ones, bombs, changing ones, slow ones, wrong parts."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from functools import cache

from tests.replacing import replace
from tests.upstream.listener import Reply
from tests.upstream.scenario import Expected, Scenario, Stage, Twist, truth_of, with_body, without_etag

SERVED, REFUSED, EITHER = Expected.SERVED, Expected.REFUSED, Expected.EITHER
_BOMB_BYTES = 80 * 1024 * 1024
HTML = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body><form></form></body></html>"


def _bytes_scenarios() -> Iterator[Scenario]:
    changes: dict[str, Callable[[bytes], bytes]] = {
        "first-bit": lambda data: bytes([data[0] ^ 1]) + data[1:],
        "last-bit": lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        "middle-bit": lambda data: data[:20_000] + bytes([data[20_000] ^ 128]) + data[20_001:],
        "two-swapped": lambda data: data[:30_000] + data[30_001:30_002] + data[30_000:30_001] + data[30_002:],
        "appended": lambda data: data + b"\0", "prepended": lambda data: b"\0" + data, "empty": lambda data: b"",
        "zeros": lambda data: b"\0" * len(data), "twice": lambda data: data * 2, "reversed": lambda data: data[::-1],
        "shorter": lambda data: data[:-1], "half": lambda data: data[: len(data) // 2], "packed": gzip.compress,
        "text": lambda data: data.replace(b"\n", b"\r\n"), "html": lambda data: HTML, "json": lambda data: b"{}",
        "other-wheel": lambda data: truth_of(_OTHER).content, "error-text": lambda data: b"Internal Server Error",
    }  # fmt: skip
    for name, change in changes.items():
        yield Scenario(f"file-bytes-{name}", REFUSED, file=_changed(change))
    yield Scenario("file-html-200", REFUSED, file=with_body(HTML, content_type="text/html; charset=utf-8"))
    yield Scenario("file-json-200", REFUSED, file=with_body(b'{"error": 1}', content_type="application/json"))
    yield Scenario("file-type-is-html", REFUSED, file=_with_type("text/html"))
    for name, kind in {"none": "", "text": "text/plain", "zip": "application/zip", "nonsense": "\t;;="}.items():
        yield Scenario(f"file-type-{name}", SERVED, file=_with_type(kind))
    for name, kind in {
        "png": "image/png",
        "none": "",
        "binary": "application/octet-stream",
        "text": "text/plain",
    }.items():
        yield Scenario(f"page-type-{name}", REFUSED, page=_with_type(kind))
    for name, kind in {"xml": "text/xml", "v2": "application/vnd.pypi.simple.v2+json", "html": "text/html"}.items():
        yield Scenario(f"page-type-{name}", EITHER, page=_with_type(kind))
    yield Scenario("file-good-then-bad", EITHER, file=_by_turn(lambda turn: turn > 0))
    yield Scenario("file-bad-then-good", EITHER, file=_by_turn(lambda turn: turn == 0))
    yield Scenario("file-good-or-bad", EITHER, file=_by_turn(lambda turn: turn % 2 == 1))
    yield Scenario("file-other-each-time", REFUSED, file=lambda stage, reply: replace(reply, body=b"%d" % stage.turn))


_OTHER = Scenario("other", SERVED).project


def _changed(change: Callable[[bytes], bytes]) -> Twist:
    return lambda stage, reply: Reply(headers=without_etag(dict(reply.headers)), body=change(stage.truth.content))


def _with_type(kind: str) -> Twist:
    return lambda stage, reply: replace(reply, headers={**reply.headers, "Content-Type": kind})


def _by_turn(is_bad: Callable[[int], bool]) -> Twist:
    return lambda stage, reply: replace(reply, body=b"\0" * len(reply.body)) if is_bad(stage.turn) else reply


@cache
def _bomb(layers: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    slice_bytes = 1024 * 1024
    data = b"".join(packer.compress(b" " * slice_bytes) for _ in range(_BOMB_BYTES // slice_bytes)) + packer.flush()
    return data if layers == 1 else gzip.compress(data)


def _coding_scenarios() -> Iterator[Scenario]:
    packed: dict[str, tuple[str, Callable[[bytes], bytes], Expected]] = {
        "gzip": ("gzip", gzip.compress, SERVED), "x-gzip": ("x-gzip", gzip.compress, SERVED),
        "identity": ("identity", bytes, SERVED), "upper-case": ("GZIP", gzip.compress, SERVED),
        "two-members": ("gzip", lambda data: gzip.compress(data[:100]) + gzip.compress(data[100:]), SERVED),
        "bomb": ("gzip", lambda data: _bomb(1), REFUSED), "bomb-in-bomb": ("gzip", lambda data: _bomb(2), REFUSED),
        "page-and-bomb": ("gzip", lambda data: gzip.compress(data) + _bomb(1), REFUSED),
        "empty-members": ("gzip", lambda data: gzip.compress(b"") * 20_000 + gzip.compress(data), REFUSED),
        "not-gzip": ("gzip", bytes, REFUSED), "cut-gzip": ("gzip", lambda data: gzip.compress(data)[:-9], REFUSED),
        "bad-checksum": ("gzip", lambda data: gzip.compress(data)[:-8] + b"\0" * 8, REFUSED),
        "gzip-and-junk": ("gzip", lambda data: gzip.compress(data) + b"junk", REFUSED),
        "empty-gzip": ("gzip", lambda data: b"", REFUSED), "deflate": ("deflate", zlib.compress, REFUSED),
        "brotli": ("br", bytes, REFUSED), "zstd": ("zstd", bytes, REFUSED), "unknown": ("rot13", bytes, REFUSED),
        "gzip-twice": ("gzip, gzip", lambda data: gzip.compress(gzip.compress(data)), REFUSED),
        "long": ("g" * 10_000, bytes, REFUSED), "aes128gcm": ("aes128gcm", bytes, REFUSED),
    }  # fmt: skip
    for name, (coding, pack, expected) in packed.items():
        yield Scenario(f"page-coding-{name}", expected, page=_packed(coding, pack))
    for name in ("gzip", "bomb", "not-gzip", "deflate", "brotli", "unknown", "gzip-twice"):
        coding, pack, _ = packed[name]
        yield Scenario(f"file-coding-{name}", REFUSED, file=_packed(coding, pack))
    yield Scenario("file-coding-identity", SERVED, file=_packed("identity", bytes))


def _packed(coding: str, pack: Callable[[bytes], bytes]) -> Twist:
    return lambda stage, reply: Reply(headers={**reply.headers, "Content-Encoding": coding}, body=pack(reply.body))


def _slow_scenarios() -> Iterator[Scenario]:
    twists: dict[str, Twist] = {
        "never": lambda stage, reply: Reply(raw=b"", then_silent=True),
        "half-a-head": lambda stage, reply: Reply(raw=b"HTTP/1.1 200 OK\r\nX-", then_silent=True),
        "head-then-silent": lambda stage, reply: replace(reply, cut_after=0, then_silent=True),
        "late": lambda stage, reply: replace(reply, delay_seconds=3600),
        "dripping-head": lambda stage, reply: Reply(raw=b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5000, bytes_a_second=10),
    }
    for percent in (1, 50, 99):
        twists[f"silent-at-{percent}"] = _silent_at(percent)
    for name, twist in twists.items():
        yield Scenario(f"page-{name}", REFUSED, page=twist, is_slow=True)
        yield Scenario(f"file-{name}", REFUSED, file=twist, is_slow=True)
    yield Scenario("page-dripping", REFUSED, page=lambda _, reply: replace(reply, bytes_a_second=8), is_slow=True)
    yield Scenario("file-dripping", REFUSED, file=lambda _, reply: replace(reply, bytes_a_second=100), is_slow=True)


def _silent_at(percent: int) -> Twist:
    return lambda stage, reply: replace(reply, cut_after=len(reply.body) * percent // 100, then_silent=True)


def _metadata_scenarios() -> Iterator[Scenario]:
    """METADATA that is not the wheel's: the wheel itself comes, the wrong METADATA never does."""
    changes: dict[str, Twist] = {
        "changed": lambda stage, reply: replace(reply, body=reply.body + b"Requires-Dist: evil\n"),
        "empty": lambda stage, reply: replace(reply, body=b""),
        "404": lambda stage, reply: Reply(status=404),
        "html": with_body(HTML, content_type="text/html"),
        "500": lambda stage, reply: Reply(status=500),
        "huge": lambda stage, reply: replace(reply, body=b"x" * 20_000_000),
        "cut": lambda _, reply: replace(reply, cut_after=9),
        "other": lambda stage, reply: replace(reply, body=truth_of(_OTHER).metadata),
        "packed": _packed("gzip", gzip.compress),
        "binary": lambda stage, reply: replace(reply, body=bytes(range(256))),
    }
    for name, twist in changes.items():
        yield Scenario(f"metadata-{name}", SERVED, metadata=twist)
    parts: dict[str, Twist] = {
        "other-part": _part(lambda first, last, total: (first + 1, last + 1, total)),
        "other-total": _part(lambda first, last, total: (first, last, total + 1)),
        "negative": _part(lambda first, last, total: (-1, last, total)),
        "beyond": _part(lambda first, last, total: (total, total + 1, total)),
        "huge-total": _part(lambda first, last, total: (first, last, 10**17)),
        "no-range": lambda stage, reply: replace(reply, headers={}) if reply.status == 206 else reply,
        "short": lambda stage, reply: replace(reply, body=reply.body[:-1]) if reply.status == 206 else reply,
        "zeros": lambda stage, reply: replace(reply, body=b"\0" * len(reply.body)) if reply.status == 206 else reply,
        "refused": lambda stage, reply: Reply(status=416) if reply.status == 206 else reply,
        "multipart": lambda stage, reply: (
            replace(reply, headers={"Content-Type": "multipart/byteranges; boundary=x"})
            if reply.status == 206
            else reply
        ),
    }
    for name, twist in parts.items():
        yield Scenario(f"part-{name}", SERVED, file=twist, has_metadata=False)


def _part(change: Callable[[int, int, int], tuple[int, int, int]]) -> Twist:
    def bend(stage: Stage, reply: Reply) -> Reply:
        if reply.status != 206:
            return reply
        first, _, rest = reply.headers["Content-Range"].removeprefix("bytes ").partition("-")
        last, _, total = rest.partition("/")
        told = change(int(first), int(last), int(total))
        return replace(reply, headers={"Content-Range": "bytes {}-{}/{}".format(*told)})

    return bend


SCENARIOS: tuple[Scenario, ...] = (
    *_bytes_scenarios(), *_coding_scenarios(), *_slow_scenarios(), *_metadata_scenarios(),
)  # fmt: skip
