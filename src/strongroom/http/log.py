"""How the server's log lines look: one line an event, JSON but on a terminal.

The message reads alone; what identifies it comes as fields (`extra={"fields": ...}`).
Control characters are escaped, so that nobody writes lines of his own into the log.
"""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime

import msgspec
from starlette.types import Scope

from strongroom.core.errors import StrongroomError
from strongroom.http.errors import status_of

_log = logging.getLogger(__name__)

REQUEST_KEY = "strongroom.request"
"""Where a scope holds the request's name, `X-Request-ID`."""


class JsonLines(logging.Formatter):
    """A JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            "logger": record.name,
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line, enc_hook=str).decode()


class TerminalLines(logging.Formatter):
    """Time, level, message and fields, for a person."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        clock = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        fields = " ".join(f"{key}={value!a}" for key, value in getattr(record, "fields", {}).items())
        line = f"{clock} {record.levelname.lower():7} {ascii(record.getMessage())[1:-1]} {fields}".rstrip()
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def configure_logging() -> None:
    """Send this program's log to standard error, in the form that fits whoever reads it."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(TerminalLines() if sys.stderr.isatty() else JsonLines())
    logger = logging.getLogger("strongroom")
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False


def log_fault(error: StrongroomError, scope: Scope) -> None:
    """Log the error if it is the server's own fault; what a client did wrong he is told, and nobody else."""
    if status_of(error) >= 500:
        _log.error(error.message, extra={"fields": {"code": error.code, **describe_request(scope)}})


def describe_request(scope: Scope) -> dict[str, str]:
    """Return what identifies a request in the log; never its query or its headers."""
    named = {"request": scope[REQUEST_KEY].decode()} if REQUEST_KEY in scope else {}
    return {**named, "method": scope["method"], "path": scope["path"]}


def request_id(scope: Scope) -> str | None:
    """Return the request's name, None where nobody gave it one."""
    found: bytes | None = scope.get(REQUEST_KEY)
    return None if found is None else found.decode()
