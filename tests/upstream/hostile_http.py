"""Scenarios of broken HTTP: cut bodies, wrong lengths, chunked garbage, junk in heads, odd statuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.replacing import replace
from tests.upstream.listener import Reply
from tests.upstream.scenario import Expected, Scenario, Stage, Twist, head, raw, with_body

SERVED, REFUSED, EITHER = Expected.SERVED, Expected.REFUSED, Expected.EITHER


def both(name: str, twist: Twist, *, expected: Expected = REFUSED) -> Iterator[Scenario]:
    """Yield the scenario of a page that misbehaves so, and the one of a file."""
    yield Scenario(f"page-{name}", expected, page=twist)
    yield Scenario(f"file-{name}", expected, file=twist)


def _cut(percent: int, *, announced_bytes: int | None = None, is_chunked: bool = False) -> Twist:
    def bend(stage: Stage, reply: Reply) -> Reply:
        cut_after = len(reply.body) * percent // 100
        return replace(reply, cut_after=cut_after, announced_bytes=announced_bytes, is_chunked=is_chunked)

    return bend


def _cut_scenarios() -> Iterator[Scenario]:
    for percent in (0, 1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 99):
        yield from both(f"cut-at-{percent}", _cut(percent))
        yield from both(f"cut-at-{percent}-without-length", _cut(percent, announced_bytes=-1))
        yield from both(f"cut-at-{percent}-chunked", _cut(percent, is_chunked=True))
    yield from both("without-length", lambda _, reply: replace(reply, announced_bytes=-1), expected=SERVED)
    yield from both("chunked", lambda _, reply: replace(reply, is_chunked=True), expected=SERVED)


def _length_scenarios() -> Iterator[Scenario]:
    for name, more in (("one-more", 1), ("a-thousand-more", 1000), ("a-gigabyte-more", 2**30)):
        yield from both(f"announces-{name}", _announcing(more))
    for name, less in (("one-less", -1), ("a-thousand-less", -1000)):
        yield Scenario(f"file-announces-{name}", REFUSED, file=_announcing(less))
        yield Scenario(f"page-announces-{name}", EITHER, page=_announcing(less))
    odd = {
        "negative": "-1",
        "words": "many",
        "float": "1e3",
        "hex": "0x10",
        "plus": "+10",
        "huge": str(2**70),
        "empty": "",
        "comma": "10, 20",
        "spaces": "1 0",
        "underscore": "1_0",
        "thai-digits": "\u0e51",
        "zero": "0",
    }
    for name, text in odd.items():
        yield from both(f"length-is-{name}", _with_length(text))
    yield from both(
        "two-lengths", raw(lambda reply: head(reply, "Content-Length: 3", "Content-Length: 5") + reply.body)
    )
    yield from both("nothing-but-a-head", raw(lambda reply: head(reply, f"Content-Length: {len(reply.body)}")))


def _announcing(more: int) -> Twist:
    return lambda stage, reply: replace(
        reply, announced_bytes=max(0, len(reply.body) + more), cut_after=len(reply.body)
    )


def _with_length(text: str) -> Twist:
    return raw(lambda reply: head(reply, f"Content-Length: {text}") + reply.body)


def _chunk_scenarios() -> Iterator[Scenario]:
    garbage: dict[str, bytes] = {
        "not-hex": b"zz\r\nabc\r\n0\r\n\r\n",
        "negative": b"-5\r\nabc\r\n0\r\n\r\n",
        "huge": b"ffffffffffffffffff\r\nabc",
        "signed": b"+3\r\nabc\r\n0\r\n\r\n",
        "prefixed": b"0x3\r\nabc\r\n0\r\n\r\n",
        "no-end": b"3\r\nabc\r\n",
        "no-crlf": b"3abc0",
        "short": b"9\r\nabc\r\n0\r\n\r\n",
        "long": b"2\r\nabc\r\n0\r\n\r\n",
        "empty": b"",
        "long-extension": b"3;" + b"x" * 100_000 + b"\r\nabc\r\n0\r\n\r\n",
        "endless-size": b"1" * 100_000,
        "bare-lf": b"3\nabc\n0\n\n",
        "nul": b"\0\r\nabc\r\n",
        "spaces": b" 3 \r\nabc\r\n0\r\n\r\n",
        "junk-trailer": b"3\r\nabc\r\n0\r\n" + b"\xff\0:\r\n" * 10 + b"\r\n",
    }
    for name, body in garbage.items():
        yield from both(f"chunks-{name}", _with_chunks(body))
    codings = {
        "twice": "chunked, chunked",
        "gzip": "gzip",
        "unknown": "xchunked",
        "identity": "identity",
        "nul": "chu\0nked",
    }
    for name, coding in codings.items():
        yield from both(f"transfer-{name}", _with_coding(coding), expected=EITHER)
    yield from both("chunked-with-length", _chunked_with_length, expected=EITHER)


def _with_chunks(body: bytes) -> Twist:
    return raw(lambda reply: head(reply, "Transfer-Encoding: chunked") + body)


def _with_coding(coding: str) -> Twist:
    return raw(lambda reply: head(reply, f"Transfer-Encoding: {coding}", "Connection: close") + reply.body)


def _chunked_with_length(stage: Stage, reply: Reply) -> Reply:
    return replace(reply, is_chunked=True, headers={**reply.headers, "Content-Length": "5"})


def _head_scenarios() -> Iterator[Scenario]:
    junk: dict[str, bytes] = {
        "nothing": b"",
        "spaces": b"   \r\n\r\n",
        "http-09": b"<html>hello</html>",
        "ssh": b"SSH-2.0-OpenSSH_9.2\r\n",
        "tls-alert": b"\x15\x03\x01\x00\x02\x02\x28",
        "smtp": b"220 mail ESMTP\r\n",
        "random": bytes(range(256)) * 40,
        "http-2-preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "icy": b"ICY 200 OK\r\n\r\nx",
        "half-a-line": b"HTTP/1.1 20",
        "no-code": b"HTTP/1.1\r\n\r\n",
        "words-for-code": b"HTTP/1.1 OK 200\r\n\r\n",
        "long-line": b"HTTP/1.1 200 " + b"O" * 200_000,
        "nul-line": b"HTTP/1.1 200 O\0K\r\nContent-Length: 1\r\n\r\nx",
        "four-digits": b"HTTP/1.1 2000 OK\r\nContent-Length: 1\r\n\r\nx",
        "version-9": b"HTTP/9.9 200 OK\r\nContent-Length: 1\r\n\r\nx",
        "a-request": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "ten-thousand-headers": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10_000 + b"\r\n",
        "megabyte-header": b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1_000_000 + b"\r\n\r\n",
        "header-without-colon": b"HTTP/1.1 200 OK\r\nnonsense\r\n\r\nx",
        "no-end-of-head": b"HTTP/1.1 200 OK\r\nX: y\r\n",
        "nul-in-header": b"HTTP/1.1 200 OK\r\nX: \0\r\nContent-Length: 1\r\n\r\nx",
        "only-100": b"HTTP/1.1 100 Continue\r\n\r\n" * 100,
        "only-103": b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 100,
        "101": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    }
    for name, answer in junk.items():
        yield from both(f"head-{name}", raw(_always(answer)))
    odd = {
        "folded": "X-Folded: a\r\n b",
        "space-before-colon": "X-Space : a",
        "latin-1": "X-Latin: \xe9\xff",
        "empty-name": ": x",
        "duplicate-type": "Content-Type: image/png",
        "hop": "Connection: close, x, y",
        "bad-etag": 'ETag: "a\tb',
        "long-etag": f'ETag: "{"e" * 20_000}"',
        "cookies": "Set-Cookie: a=b; Domain=.example",
        "old-date": "Date: never",
        "tab-in-name": "X\tY: z",
        "hsts": "Strict-Transport-Security: max-age=0",
        "location": "Location: http://127.0.0.2/",
    }
    for name, line in odd.items():
        yield from both(f"header-{name}", _with_line(line), expected=EITHER)


def _always(answer: bytes) -> Callable[[Reply], bytes]:
    return lambda reply: answer


def _with_line(line: str) -> Twist:
    return raw(lambda reply: head(reply, f"Content-Length: {len(reply.body)}", line) + reply.body)


def _status_scenarios() -> Iterator[Scenario]:
    missing = (404, 410)
    others = (
        201,
        202,
        203,
        204,
        205,
        206,
        207,
        226,
        300,
        304,
        305,
        306,
        400,
        401,
        402,
        403,
        405,
        406,
        407,
        408,
        409,
        411,
        412,
        413,
        416,
        418,
        421,
        425,
        426,
        428,
        429,
        431,
        451,
        499,
        500,
        501,
        502,
        503,
        504,
        505,
        507,
        508,
        511,
        520,
        599,
        600,
        700,
        999,
    )
    for status in (*missing, *others):
        yield from both(f"status-{status}", _with_status(status))
    yield from both(
        "status-503-once", lambda stage, reply: Reply(status=503) if stage.turn == 0 else reply, expected=SERVED
    )
    yield from both("closed-once", lambda stage, reply: Reply(raw=b"") if stage.turn == 0 else reply, expected=SERVED)


def _with_status(status: int) -> Twist:
    def bend(stage: Stage, reply: Reply) -> Reply:
        bodiless = status in (204, 304)
        return replace(with_body(b"" if bodiless else reply.body)(stage, reply), status=status, headers=reply.headers)

    return bend


SCENARIOS: tuple[Scenario, ...] = (
    *_cut_scenarios(), *_length_scenarios(), *_chunk_scenarios(), *_head_scenarios(), *_status_scenarios(),
)  # fmt: skip
