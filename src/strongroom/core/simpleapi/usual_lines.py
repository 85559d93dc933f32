"""All lines of a page together: the same files that `accept` makes of each, in a third of the time.

A page may have forty thousand. The rules are asked of whole columns of usual lines; if
one of them is broken, or a line is unusual, `accept` looks at it by itself. Decides
nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import repeat

from strongroom.core.distfile import DistributionName
from strongroom.core.mirrored import Skipped, UpstreamFile
from strongroom.core.simpleapi.listed import (
    USUAL_URL,
    Listed,
    Page,
    accept,
    find_provenance,
    find_sha256,
    find_size,
    find_specifier,
    find_time,
    find_usual_name,
    find_yank,
)

_SHA256S = re.compile(r"(?>[0-9a-f]{64}\n)*+", re.ASCII)
_URLS = re.compile(rf"(?>{USUAL_URL}\n)*+", re.ASCII)
_HTTPS_URLS = re.compile(rf"(?>(?=https:){USUAL_URL}\n)*+", re.ASCII)


def accept_all(lines: Iterable[Listed | Skipped], page: Page) -> list[UpstreamFile | Skipped]:
    """Return the file that each line offers, or why it offers none."""
    places: list[UpstreamFile | Skipped | None] = []
    usual: list[tuple[Listed, DistributionName]] = []
    for line in lines:
        if isinstance(line, Skipped):
            places.append(line)
        elif (name := find_usual_name(line.filename, page)) is None:
            places.append(accept(line, page))
        else:
            usual.append((line, name))
            places.append(None)
    files = iter(_accept_usual([line for line, _ in usual], [name for _, name in usual], page=page))
    return [next(files) if place is None else place for place in places]


def _accept_usual(
    lines: Sequence[Listed], names: Sequence[DistributionName], *, page: Page
) -> Iterable[UpstreamFile | Skipped]:
    if not lines:
        return ()
    _, urls, sha256s, specifiers, yanks, have_metadata, metadata_sha256s, times, sizes, provenance_urls = zip(
        *lines, strict=True
    )
    if not (_are_digests(sha256s) and _are_urls(urls, page)):
        return (accept(line, page) for line in lines)
    return map(
        UpstreamFile,
        repeat(page.index),
        repeat(page.project),
        [line.filename for line in lines],
        [name.version for name in names],
        [name.package_type for name in names],
        [name.python_tag for name in names],
        urls,
        sha256s,
        repeat(page.now),
        map(find_size, sizes),
        map(find_time, times),
        [find_specifier(raw, page.specifiers) for raw in specifiers],
        map(find_yank, yanks),
        have_metadata,
        [find_sha256(raw) if has else None for has, raw in zip(have_metadata, metadata_sha256s, strict=True)],
        [find_provenance(raw, page) if raw else None for raw in provenance_urls],
    )


def _are_digests(sha256s: Sequence[str | None]) -> bool:
    return all(sha256s) and _is_column(_SHA256S, [str(sha256) for sha256 in sha256s])


def _are_urls(urls: Sequence[str], page: Page) -> bool:
    """Return whether all are usual ones, over https if the page came so."""
    return _is_column(_HTTPS_URLS if page.url.startswith("https:") else _URLS, urls)


def _is_column(pattern: re.Pattern[str], values: Sequence[str]) -> bool:
    """Return whether the pattern, of which each line is one value, fits all of them."""
    text = "\n".join((*values, ""))
    # Counted, because a value that holds a line break could pass for two good ones.
    return text.count("\n") == len(values) and pattern.fullmatch(text) is not None
