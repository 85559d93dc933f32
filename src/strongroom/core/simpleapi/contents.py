"""What a project page of an upstream holds, in whichever form it came, and when it is none at all.

Decides the limits of a page and the faults for which the whole of it is refused. A
refused page never replaces the one that was read before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from strongroom.core.errors import UpstreamFault
from strongroom.core.mirrored import Skipped
from strongroom.core.simpleapi.listed import Columns, Listed

MOST_FILES = 100_000
"""The largest projects of the public index have some ten thousand."""


@dataclass(frozen=True, slots=True)
class Contents:
    """The lines in their order, unchecked. `base_url` is what they are relative to, if the page says so."""

    lines: Iterator[Listed | Skipped] | Columns
    status: str | None = None
    status_reason: str | None = None
    base_url: str = ""


def bad_page(what: str) -> UpstreamFault:
    """Return the fault of an answer that is not a project page."""
    return UpstreamFault(
        "upstream-page-invalid",
        f"The upstream's answer {what}",
        "Look at what the upstream's URL answers for this project: it must be the Simple API, in JSON or HTML.",
    )


def too_many() -> UpstreamFault:
    """Return the fault of a page with more files than any project has."""
    return UpstreamFault(
        "upstream-page-too-long",
        f"The upstream's page lists more than {MOST_FILES} files",
        "No project has that many; look at what the upstream answers for this one.",
    )


def check_api_version(version: str | None) -> None:
    """Raise `UpstreamFault` for a major version that we don't know; an unreadable version is as good as none.

    PEP 629: "If the major version is greater than they expect, clients MUST fail".
    """
    major = (version or "1.0").partition(".")[0].strip()
    if major.isascii() and major.isdigit() and major.lstrip("0") != "1":
        raise UpstreamFault(
            "upstream-api-version",
            f"The upstream speaks version {major[:20]} of the Simple API, and only version 1 is understood here",
            "Ask whether the upstream has another URL for version 1, or update Strongroom.",
        )
