"""Which form of a page each client gets; the headers are the ones that were measured."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.core.simpleapi.negotiate import (
    Coding,
    PageType,
    choose_coding,
    choose_offer,
    choose_page_type,
    negotiate,
)

JSON, HTML, TEXT = PageType.JSON, PageType.HTML, PageType.TEXT_HTML

CLIENTS = {
    "pip 26.3, pdm 2.29.3, unearth 0.19": (
        "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01",
        JSON,
    ),
    "uv 0.13.9": (
        "application/vnd.pypi.simple.v1+json,application/vnd.pypi.simple.v1+html;q=0.2,text/html;q=0.01",
        JSON,
    ),
    "poetry 2.5.1": ("application/vnd.pypi.simple.v1+json, */*;q=0.1", JSON),
    "pypi-simple 1.8": (
        "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html, text/html;q=0.01",
        JSON,
    ),
    "bandersnatch 8.2": ("application/vnd.pypi.simple.v1+json", JSON),
    "hatch 1.18.2, twine 7.0.0, curl": ("*/*", TEXT),
    "Dependabot": ("text/html", TEXT),
    "Renovate's retry, http.client": (None, TEXT),
    "Firefox": ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", TEXT),
}


@pytest.mark.parametrize(("accept", "expected"), CLIENTS.values(), ids=CLIENTS)
def test_each_client_gets_the_form_it_reads_best(accept: str | None, expected: PageType) -> None:
    """A client's own Accept header brings it the richest form that it can read."""
    assert choose_page_type(accept) is expected


ACCEPTS = {
    "": TEXT,
    "text/*": TEXT,
    "application/*": JSON,
    "application/vnd.pypi.simple.latest+json": JSON,
    "application/vnd.pypi.simple.latest+html": HTML,
    "application/vnd.pypi.simple.v1+html": HTML,
    "APPLICATION/VND.PYPI.SIMPLE.V1+JSON": JSON,
    "application/vnd.pypi.simple.v1+json;q=0.2, text/html;q=0.9": TEXT,
    "application/vnd.pypi.simple.v1+html, */*": HTML,
    "application/vnd.pypi.simple.v1+json;q=0, */*": TEXT,
    "application/vnd.pypi.simple.v1+json ; q=1.0 , */* ; q=0.5": JSON,
    "application/vnd.pypi.simple.v1+json;q=0.5;ext=1, text/html;q=0.4": JSON,
    "*/*;q=0.1, text/*;q=0.5": TEXT,
    "text/html;level=1": TEXT,
    # Only part of it can be read: that part counts.
    "garbage, application/vnd.pypi.simple.v1+json": JSON,
    ",,, text/html ,,": TEXT,
    "application/vnd.pypi.simple.v1+json;q=high": JSON,
    "application/vnd.pypi.simple.v1+json;q=7, text/html;q=0.9": JSON,
    "application/vnd.pypi.simple.v1+json;q=nan": JSON,
    # Nothing of it can be read: it says no more than no header.
    "garbage": TEXT,
    ";;q=1": TEXT,
    "*": TEXT,
    # Nothing offered is acceptable.
    "application/json": None,
    "image/png": None,
    "*/*;q=0": None,
    "text/html;q=0": None,
    "application/vnd.pypi.simple.v2+json": None,
    "application/xml, application/json;q=0.9": None,
}


@pytest.mark.parametrize(("accept", "expected"), ACCEPTS.items(), ids=[repr(accept) for accept in ACCEPTS])
def test_accept_headers_are_weighed(accept: str, expected: PageType | None) -> None:
    """Weights, ranges, aliases and malformed parts of Accept are judged as RFC 9110 and PEP 691 say."""
    assert choose_page_type(accept) is expected


FORMATS = {
    "application/vnd.pypi.simple.v1+json": JSON,
    "application/vnd.pypi.simple.latest+json": JSON,
    "application/vnd.pypi.simple.latest+html": HTML,
    "text/html": TEXT,
    "application/json": None,
    "": None,
}


@pytest.mark.parametrize(("wanted", "expected"), FORMATS.items())
@pytest.mark.parametrize("accept", [None, "text/html", "application/vnd.pypi.simple.v1+json", "image/png"])
def test_pep_691_a_format_parameter_takes_precedence(wanted: str, expected: PageType | None, accept: str) -> None:
    """PEP 691: a `?format=` names one type and beats the Accept header, also where that would be 406."""
    assert choose_page_type(accept, wanted) is expected


CODINGS = {
    None: Coding.IDENTITY,
    "": Coding.IDENTITY,
    "gzip, deflate": Coding.GZIP,  # pip 26.3
    "gzip, deflate, zstd": Coding.ZSTD,  # uv 0.13.9
    "gzip, deflate, br, zstd": Coding.ZSTD,  # poetry 2.5.1, hatch 1.18.2
    "identity": Coding.IDENTITY,
    "br": Coding.IDENTITY,
    "x-gzip": Coding.GZIP,
    "GZIP": Coding.GZIP,
    "gzip;q=0.1": Coding.GZIP,
    "zstd;q=0.5, gzip": Coding.GZIP,
    "identity, gzip;q=0.5": Coding.IDENTITY,
    "gzip;q=0": Coding.IDENTITY,
    "gzip;q=0, *": Coding.ZSTD,
    "*": Coding.ZSTD,
    "identity;q=0, gzip": Coding.GZIP,
    "identity;q=0, *;q=0.1": Coding.ZSTD,
    "identity;q=0": None,
    "*;q=0": None,
    "identity;q=0, br": None,
}


@pytest.mark.parametrize(("accept_encoding", "expected"), CODINGS.items(), ids=[repr(coding) for coding in CODINGS])
def test_codings_are_weighed(accept_encoding: str | None, expected: Coding | None) -> None:
    """The best coding that the client takes is chosen; identity is free unless ruled out (RFC 9110 12.5.3)."""
    assert choose_coding(accept_encoding) is expected


def test_a_wish_is_one_object_for_each_form() -> None:
    """Different headers that mean the same share one key in the cache."""
    pip = negotiate(CLIENTS["pip 26.3, pdm 2.29.3, unearth 0.19"][0], "gzip, deflate")
    bandersnatch = negotiate("application/vnd.pypi.simple.v1+json", "gzip")
    assert pip is bandersnatch
    assert negotiate("image/png", None) is None
    assert negotiate(None, "identity;q=0") is None


def test_a_type_outside_the_simple_api_can_be_offered() -> None:
    """The integrity API negotiates by the same rules."""
    offers = ("application/vnd.pypi.integrity.v1+json", "application/json")
    assert choose_offer("application/json", offers, otherwise=offers[0]) == "application/json"
    assert choose_offer("*/*", offers, otherwise=offers[0]) == offers[0]
    assert choose_offer("text/html", offers, otherwise=offers[0]) is None


@given(st.text(max_size=200), st.text(max_size=200))
def test_no_header_breaks_the_negotiation(accept: str, accept_encoding: str) -> None:
    """Whatever a client sends, the answer is a form or 406, never a fault."""
    negotiate(accept, accept_encoding)


@given(st.permutations(["text/html;q=0.3", "application/vnd.pypi.simple.v1+json;q=0.4", "*/*;q=0.1", "image/png"]))
def test_the_order_of_ranges_does_not_matter(ranges: list[str]) -> None:
    """RFC 9110: weights decide, not positions."""
    assert choose_page_type(", ".join(ranges)) is JSON
