"""All lines of a page together: the same files that `accept` makes of each, in two thirds of the time.

A page may have forty thousand. The rules are asked of whole columns of usual lines; if
one of them is broken, or a line is unusual, `accept` looks at it by itself. Decides
nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import compress, repeat

from strongroom.core.distfile import DistributionName
from strongroom.core.mirrored import Skipped, UpstreamFile
from strongroom.core.names import LONGEST_FILENAME
from strongroom.core.simpleapi.listed import (
    LONGEST_TIME,
    USUAL_NAME,
    USUAL_URL,
    Columns,
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
    read_usual_name,
)

_SHA256S = re.compile(r"(?>[0-9a-f]{64}\n)*+", re.ASCII)
_URLS = re.compile(rf"(?>{USUAL_URL}\n)*+", re.ASCII)
_HTTPS_URLS = re.compile(rf"(?>(?=https:){USUAL_URL}\n)*+", re.ASCII)
_NAMES = re.compile(rf"^(?:{USUAL_NAME}|.*)$", re.ASCII | re.MULTILINE)
"""The parts of the name in each line; empty ones where it is unusual."""
_UNUSUAL = ("", "", "")


def accept_all(lines: Iterable[Listed | Skipped] | Columns, page: Page) -> list[UpstreamFile | Skipped]:
    """Return the file that each line offers, or why it offers none."""
    if isinstance(lines, Columns):
        return _accept_columns(lines, page)
    told = list(lines)
    listed = [line for line in told if isinstance(line, Listed)]
    if not listed:
        return [line for line in told if isinstance(line, Skipped)]
    files = iter(_accept_columns(Columns(*zip(*listed, strict=True)), page))
    return [line if isinstance(line, Skipped) else next(files) for line in told]


def _accept_columns(columns: Columns, page: Page) -> list[UpstreamFile | Skipped]:
    names = _find_names(columns.filenames, page)
    are_usual = [name is not None for name in names]
    if all(are_usual):
        return list(_accept_usual(columns, [name for name in names if name is not None], page=page))
    usual = Columns._make(tuple(compress(column, are_usual)) for column in columns)
    files = _accept_usual(usual, [name for name in names if name is not None], page=page)
    lines = zip(are_usual, columns.lines(), strict=True)
    return [next(files) if is_usual else accept(line, page) for is_usual, line in lines]


def _accept_usual(lines: Columns, names: Sequence[DistributionName], *, page: Page) -> Iterator[UpstreamFile | Skipped]:
    if not (_are_digests(lines.sha256s) and _are_urls(lines.urls, page)):
        return (accept(line, page) for line in lines.lines())
    return map(
        UpstreamFile,
        repeat(page.index),
        repeat(page.project),
        lines.filenames,
        [name.version for name in names],
        [name.package_type for name in names],
        [name.python_tag for name in names],
        lines.urls,
        lines.sha256s,
        repeat(page.now),
        map(find_size, lines.sizes),
        _find_times(lines.times),
        [find_specifier(raw, page.specifiers) for raw in lines.specifiers],
        map(find_yank, lines.yanks),
        lines.have_metadata,
        _find_digests(lines),
        [find_provenance(raw, page) if raw else None for raw in lines.provenance_urls],
    )


def _find_names(filenames: Sequence[str], page: Page) -> list[DistributionName | None]:
    """Return what each filename says, None for unusual ones; each combination of parts is read once."""
    text = "\n".join(filenames)
    if text.count("\n") != len(filenames) - 1 or max(map(len, filenames)) > LONGEST_FILENAME:
        return [find_usual_name(filename, page) for filename in filenames]
    found: list[tuple[str, ...]] = _NAMES.findall(text)
    read = {parts: None if parts == _UNUSUAL else read_usual_name(parts, page) for parts in set(found)}
    return [read[parts] for parts in found]


def _find_times(raws: Sequence[str | None]) -> Sequence[datetime | None]:
    """Return the times; where all are usual ones, they need no further look."""
    usual = [raw for raw in raws if raw is not None and len(raw) <= LONGEST_TIME]
    if len(usual) == len(raws):
        try:
            times = [datetime.fromisoformat(raw) for raw in usual]
        except ValueError:
            times = []
        if times and all(time.tzinfo is UTC for time in times):
            return times
    return [find_time(raw) for raw in raws]


def _find_digests(lines: Columns) -> Iterable[str | None]:
    if not any(lines.have_metadata):
        return repeat(None)
    return [
        find_sha256(raw) if has else None for has, raw in zip(lines.have_metadata, lines.metadata_sha256s, strict=True)
    ]


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
