from __future__ import annotations

import gzip
import zlib

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from strongroom.core.simpleapi.negotiate import Coding
from strongroom.core.simpleapi.representation import encode, represent

BODY = b"the same bytes, again and again; " * 20


@given(st.binary(max_size=5000))
def test_each_coding_gives_the_bytes_back(body: bytes) -> None:
    """What is coded decodes to the very body."""
    assert encode(body, Coding.IDENTITY) == body
    assert gzip.decompress(encode(body, Coding.GZIP)) == body
    assert zstd.decompress(encode(body, Coding.ZSTD)) == body


def test_each_representation_has_a_strong_etag_of_its_own() -> None:
    """Uv revalidates strong ETags only; no two representations share one."""
    etags = {
        represent(content_type, BODY, coding=coding).etag
        for content_type in ("text/html; charset=utf-8", "application/vnd.pypi.simple.v1+html")
        for coding in Coding
    }
    assert len(etags) == 6
    assert all(etag.startswith('"') and etag.endswith('"') for etag in etags)


@pytest.mark.parametrize("coding", Coding)
def test_equal_pages_have_equal_etags(coding: Coding) -> None:
    """Two workers that render the same page at different times agree on its bytes and its ETag."""
    assert represent("text/html", BODY, coding=coding) == represent("text/html", BODY, coding=coding)


def test_gzip_carries_no_time() -> None:
    """The gzip header's time is zero, so that the bytes do not depend on the clock."""
    coded = encode(BODY, Coding.GZIP)
    assert coded[4:8] == bytes(4)
    assert zlib.decompress(coded, wbits=31) == BODY


def test_coding_makes_pages_smaller() -> None:
    """Both codings shrink a page that repeats itself."""
    assert len(encode(BODY, Coding.ZSTD)) < len(BODY) / 2
    assert len(encode(BODY, Coding.GZIP)) < len(BODY) / 2
