"""What a failing call to an object store means: the store is away, or it does not let us.

Decides which error of the port each becomes. The store's own text names request ids,
keys and what was signed, so only its status is passed on. Does not decide whether a
failed write may have been made all the same (`bucket.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

from strongroom.adapters.blobs.files import translate_os_error
from strongroom.core.errors import StorageFault, StorageFull, Unavailable
from strongroom.core.names import Sha256

_STATUS = re.compile(r"status code: ([0-9]{3})\b")
_DENIED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_PASSING = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS})
_NO_BUCKET = re.compile(r"NoSuchBucket|ContainerNotFound|bucket does not exist", re.IGNORECASE)
RESTORE = "Restore it from a backup; see `strongroom verify`."
_LATER = "Try again in a moment; `strongroom doctor` on the server says whether the store answers."

Fault = Unavailable | StorageFault | StorageFull


@contextmanager
def raising_port_errors(doing: str) -> Iterator[None]:
    """Turn what the store's client raises in the block into `Unavailable`, `StorageFault` or `StorageFull`."""
    try:
        yield
    except (BaseError, OSError) as error:
        raise translate(error, doing) from None  # the text of the cause is the store's


@contextmanager
def reading_blob(sha256: Sha256) -> Iterator[None]:
    """Do the same for a block that reads a blob: one that is not there is missing, and not its bucket."""
    with raising_port_errors("Reading a blob"):
        try:
            yield
        except FileNotFoundError as error:
            if lacks_bucket(error):
                raise
            raise missing_blob(sha256) from None
        except BaseError as error:
            if find_status(error) == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise StorageFault("blob-short", f"The blob {sha256} is shorter than it should be", RESTORE) from None
            raise


def missing_blob(sha256: Sha256) -> StorageFault:
    """Return the fault that a blob which should be there is not."""
    return StorageFault("blob-missing", f"The blob {sha256} is missing", RESTORE)


def translate(error: BaseError | OSError, doing: str) -> Fault:
    """Return the error of the port for what failed while doing that."""
    text = str(error)
    status = find_status(error)
    if "NoSuchUpload" in text:  # ended by a request whose answer was lost, or given up by a rule of the bucket
        return Unavailable("bucket-unavailable", f"{doing} failed: the object store has given up its parts", _LATER)
    if isinstance(error, FileNotFoundError) or status == HTTPStatus.NOT_FOUND:
        return StorageFault(
            "bucket-missing",
            f"{doing} failed: the object store says that there is no such bucket",
            "Make the bucket, or correct its name in the setting `blobs`.",
        )
    if isinstance(error, TimeoutError):
        return Unavailable("bucket-unavailable", f"{doing} failed: the object store did not answer in time", _LATER)
    if isinstance(error, OSError):
        return translate_os_error(error, doing)
    if isinstance(error, PermissionDeniedError | UnauthenticatedError) or status in _DENIED:
        return StorageFault(
            "bucket-denied",
            f"{doing} failed: the object store refuses the server's credentials, or they may not do this",
            "Check the credentials in the server's environment, and that they may read, write, list and delete.",
        )
    if "configured region" in text:
        return StorageFault(
            "bucket-region",
            f"{doing} failed: the bucket is in another region than the server was told",
            "Set AWS_REGION to the bucket's region.",
        )
    if status is not None and status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in _PASSING:
        return StorageFault(
            "bucket-refused",
            f"{doing} failed: the object store answered with status {status}",
            "Check the endpoint and the region in the server's environment; docs/buckets.md names them.",
        )
    return Unavailable("bucket-unavailable", f"{doing} failed: {_cause(text, status)}", _LATER)


def find_status(error: BaseError | OSError) -> int | None:
    """Return the HTTP status that the store answered with; None where it did not answer."""
    match = _STATUS.search(str(error))
    return None if match is None else int(match[1])


def lacks_bucket(error: FileNotFoundError) -> bool:
    """Return whether not only the object is missing, but the whole bucket, as far as the store tells."""
    return _NO_BUCKET.search(str(error)) is not None


def _cause(text: str, status: int | None) -> str:
    if status is not None:
        return f"the object store answered with status {status}"
    if "Timeout" in text or "timed out" in text.lower():
        return "the object store did not answer in time"
    return "the object store cannot be reached"
