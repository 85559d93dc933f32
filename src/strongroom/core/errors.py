"""The one tree of errors: what went wrong, in one sentence, and what to do.

An expected refusal (a policy, a missing right) is a value, `policy.Refuse`; an
exception means that the use case cannot go on. Status codes live in
`http/errors.py`, exit codes in `cli/`.
"""

from __future__ import annotations

from datetime import datetime


class StrongroomError(Exception):
    """The root. `code` is stable and machine-readable, `hint` says what to do."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint

    @property
    def sentence(self) -> str:
        """Return message and hint as one line of text."""
        return f"{self.message}. {self.hint}".strip() if self.hint else self.message


class InvalidName(StrongroomError, ValueError):
    """Text from outside is not the name, version or digest that it should be."""


class InvalidRequest(StrongroomError):
    """The request cannot be understood: a missing field, a malformed body."""


class UploadRefused(StrongroomError):
    """The file or its form breaks a rule; the code names the rule."""


class FileExists(StrongroomError):
    """The filename was used before, with other bytes or by a file since deleted."""


class Unauthenticated(StrongroomError):
    """No credentials, or none that are valid."""


class Forbidden(StrongroomError):
    """The principal is known, may see the target, and lacks the right."""


class Hidden(Forbidden):
    """A rule hides the file; `until` is when it comes through by itself, `ruled_by` the index whose rule it is."""

    def __init__(
        self, code: str, message: str, hint: str = "", *, ruled_by: str = "", until: datetime | None = None
    ) -> None:
        super().__init__(code, message, hint)
        self.ruled_by = ruled_by
        self.until = until


class NotFound(StrongroomError):
    """It does not exist, or the principal may not see it: the two look the same."""


class NotAllowed(StrongroomError):
    """The path exists, but not for this method; `allowed` are the methods that it has."""

    def __init__(self, code: str, message: str, hint: str = "", *, allowed: tuple[str, ...] = ()) -> None:
        super().__init__(code, message, hint)
        self.allowed = allowed


class NotAcceptable(StrongroomError):
    """None of the forms that the client accepts can be given."""


class Conflict(StrongroomError):
    """The change contradicts what is stored: a taken name, an index that holds files."""


class Gone(StrongroomError):
    """The operation existed once and will not come back."""


class TooLarge(StrongroomError):
    """The body or a part of it is over its limit."""


class TooSlow(StrongroomError):
    """The client sent its body below the minimum rate."""


class TooMany(StrongroomError):
    """Too many attempts at once; try again later."""


class Unavailable(StrongroomError):
    """A store does not answer now; the same request may succeed later."""


class Unreachable(Unavailable):
    """The catalog's server cannot be reached at all: nobody can tell whether anything has changed."""


class UpstreamFault(StrongroomError):
    """An upstream failed, or gave something that it must not give."""


class UpstreamTimeout(UpstreamFault):
    """An upstream did not answer in time."""


class StorageFull(StrongroomError):
    """The disk has no room for the upload."""


class StorageFault(StrongroomError):
    """A store failed or holds something that it must not: never hidden, never retried blindly."""


class ConfigurationFault(StrongroomError):
    """The program cannot start like this."""
