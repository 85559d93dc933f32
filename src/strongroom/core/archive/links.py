"""Links inside an sdist: they may point anywhere within its own top directory.

Resolves every link against all the others, as a file system would, so that a chain
of harmless-looking links cannot climb out. Entries behind a link are refused, so the
tree does not depend on the order of unpacking.
"""

from __future__ import annotations

from collections.abc import Mapping, Set

from strongroom.core.archive.fault import Fault, quoted
from strongroom.core.archive.paths import parents

_MOST_LINKS = 40  # as Linux does
_LONGEST_TARGET = 4096
_HINT = "Replace the link by the file itself, or by a link that stays inside the project."


def check_symlinks(symlinks: Mapping[str, str], paths: Set[str], *, root: str) -> None:
    """Raise `Fault` if a link leaves `root`, or an entry lies behind a link."""
    for path in paths:
        for parent in parents(path):
            if parent in symlinks:
                raise Fault(
                    "tar-through-link", f"The entry {quoted(path)} lies behind the link {quoted(parent)}", _HINT
                )
    for path, target in symlinks.items():
        if not target or len(target) > _LONGEST_TARGET:
            raise Fault("tar-link-target", f"The link {quoted(path)} has no target, or one that is too long", _HINT)
        if target.startswith("/") or "\\" in target or target[1:2] == ":":
            raise Fault("tar-link-absolute", f"The link {quoted(path)} points to {quoted(target)}", _HINT)
    for path in symlinks:
        _resolve(path, symlinks, root=root)


def check_hard_link(path: str, target: str, *, files: Set[str]) -> None:
    """Raise `Fault` unless the target is a file that came earlier in the archive."""
    if target not in files:
        raise Fault("tar-hard-link", f"The hard link {quoted(path)} points to no earlier file of the archive", _HINT)


def _resolve(path: str, symlinks: Mapping[str, str], *, root: str) -> None:
    """Follow the link as a file system would; raises `Fault` if it leaves `root` or never ends."""
    todo = path.split("/")[::-1]
    done: list[str] = []
    followed = 0
    while todo:
        segment = todo.pop()
        if segment == "..":
            done.pop()
        elif segment not in ("", "."):
            done.append(segment)
        target = symlinks.get("/".join(done))
        if target is not None:
            followed += 1
            done.pop()
            todo.extend(target.split("/")[::-1])
        if not done or done[0] != root:
            raise Fault("tar-link-escape", f"The link {quoted(path)} leads out of the archive", _HINT)
        if followed > _MOST_LINKS:
            raise Fault("tar-link-loop", f"The link {quoted(path)} leads nowhere", _HINT)
