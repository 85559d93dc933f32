"""The server's log lines."""

from __future__ import annotations

import json
import logging
import sys

from strongroom.core.errors import NotFound, StorageFault
from strongroom.http.log import JsonLines, TerminalLines, configure_logging, log_fault

SCOPE = {"method": "GET", "path": "/simple/\x1b[31m/", "query_string": b"key=secret", "headers": []}


def record(message: str, *, fields: dict[str, object] | None = None, fault: bool = False) -> logging.LogRecord:
    """Make a record as `logging` would."""
    exc_info = None
    if fault:
        try:
            raise ValueError("inside")
        except ValueError:
            exc_info = sys.exc_info()
    made = logging.LogRecord("strongroom.http", logging.WARNING, __file__, 1, message, (), exc_info)
    made.fields = fields or {}
    return made


def test_a_json_line_is_one_line_with_its_fields() -> None:
    """Message, level, time and fields, on one line whatever the text holds."""
    line = JsonLines().format(record("two\nlines", fields={"path": "/a\r\nb", "serial": 7}, fault=True))

    assert "\n" not in line
    read = json.loads(line)
    assert (read["message"], read["level"], read["path"], read["serial"]) == ("two\nlines", "warning", "/a\r\nb", 7)
    assert "ValueError: inside" in read["exception"]


def test_a_terminal_line_has_no_control_characters() -> None:
    """Nobody colours or moves the reader's terminal through a path."""
    line = TerminalLines().format(record("mes\x1bsage", fields={"path": "/\x1b[31m\n"}))

    assert line.isprintable()
    assert TerminalLines().format(record("m", fault=True)).endswith("ValueError: inside")


def test_only_the_servers_own_faults_are_logged() -> None:
    """A client's mistake is told to the client; a fault is logged once, without the query."""
    logger = logging.getLogger("strongroom")
    seen: list[logging.LogRecord] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record)

    handler = Keeping()
    logger.addHandler(handler)
    try:
        log_fault(NotFound("not-found", "nothing"), SCOPE)
        log_fault(StorageFault("blob-missing", "gone"), SCOPE)
    finally:
        logger.removeHandler(handler)

    assert [entry.getMessage() for entry in seen] == ["gone"]
    assert getattr(seen[0], "fields", None) == {"code": "blob-missing", "method": "GET", "path": SCOPE["path"]}


def test_logging_goes_to_standard_error_in_one_place() -> None:
    """Configured twice, a line still appears once."""
    logger = logging.getLogger("strongroom")
    before, propagate = list(logger.handlers), logger.propagate
    try:
        configure_logging()
        configure_logging()
        assert len(logger.handlers) == 1
        assert isinstance(logger.handlers[0].formatter, JsonLines)
    finally:
        logger.handlers, logger.propagate = before, propagate
