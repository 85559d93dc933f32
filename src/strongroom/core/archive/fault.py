"""A broken rule on its way out of the gate.

Inside the gate a broken rule is raised as `Fault` and ends in `gate.py`, which
hands the verdict out as a value. Decides how text from an archive is quoted; the
rules themselves live in the modules that raise.
"""

from __future__ import annotations

from strongroom.core.policy import Refuse

REBUILD = "Build the file again with a current build tool (python -m build) and upload that one."
RENAME = "Rename the file in the source tree and build again."

_LONGEST_SHOWN = 120


class Fault(Exception):
    """The archive breaks a rule; `verdict` is what the uploader is told."""

    def __init__(self, code: str, reason: str, hint: str = REBUILD) -> None:
        super().__init__(code)
        self.verdict = Refuse(code, reason, hint)


def quoted(raw: str | bytes) -> str:
    """Return text from an archive as one printable line of bounded length."""
    text = raw.decode("utf-8", "backslashreplace") if isinstance(raw, bytes) else raw
    return ascii(text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 3]}...")
