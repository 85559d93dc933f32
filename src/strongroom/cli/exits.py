"""How the program ends: the exit code of each error, and what is said about it.

Decides the codes that scripts rely on; `--help` shows them. Errors go to standard
error, with `--json` as one JSON object.
"""

from __future__ import annotations

import json
from typing import IO, Any

import click

from strongroom.core import errors

OK, REFUSED, USAGE, NOT_FOUND, NOT_PERMITTED, STORE, DEFECT, INTERRUPTED = 0, 1, 2, 3, 4, 5, 70, 130

EXIT_CODES = {
    errors.InvalidName: USAGE,
    errors.InvalidRequest: USAGE,
    errors.NotFound: NOT_FOUND,
    errors.Forbidden: NOT_PERMITTED,
    errors.Hidden: NOT_PERMITTED,
    errors.Unauthenticated: NOT_PERMITTED,
    errors.ConfigurationFault: STORE,
    errors.StorageFault: STORE,
    errors.StorageFull: STORE,
    errors.Unavailable: STORE,
    errors.Unreachable: STORE,
}
"""All other errors are refusals."""

EPILOG = """Exit codes:
    0  done
    1  refused, or a check found something
    2  the command line was not understood
    3  what it names does not exist
    4  not permitted
    5  the store or its settings cannot be used
   70  a defect of the program (run again with --debug)
  130  interrupted

Data goes to standard output, everything else to standard error.
"""


class Ended(click.ClickException):
    """An end other than success, with its sentence."""

    def __init__(self, exit_code: int, *, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click knows one code a class; here it is one an error
        self.code = code
        self.hint = hint
        context = click.get_current_context(silent=True)
        self._as_json = bool(context and context.meta.get("strongroom.json"))

    def show(self, file: IO[Any] | None = None) -> None:  # Any: click's own signature
        """Print cause and hint on standard error."""
        if self._as_json:
            body = {"code": self.code, "message": self.message, "hint": self.hint}
            click.echo(json.dumps(body), file=file, err=True)
            return
        click.echo(f"strongroom: {self.message}", file=file, err=True)
        if self.hint:
            click.echo(f"  {self.hint}", file=file, err=True)


def ended_by(error: errors.StrongroomError) -> Ended:
    """Return how the program ends after this error."""
    exit_code = next((EXIT_CODES[kind] for kind in type(error).__mro__ if kind in EXIT_CODES), REFUSED)
    return Ended(exit_code, code=error.code, message=error.message, hint=error.hint)


def ended_by_defect(error: Exception) -> Ended:
    """Return how the program ends after an error that nobody expected."""
    told = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return Ended(
        DEFECT,
        code="defect",
        message=f"Something went wrong that should not ({told})",
        hint="Run the command again with --debug, and report what it prints.",
    )


def interrupted() -> Ended:
    """Return how the program ends after Ctrl-C."""
    return Ended(INTERRUPTED, code="interrupted", message="Interrupted")
