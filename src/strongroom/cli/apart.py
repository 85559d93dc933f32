"""Work in a process of its own, before the server forks its workers.

The library that asks a bucket keeps threads, which a fork does not take along: a worker of
a process that has used it gets no answer ever. So nothing that opens the stores with a
bucket is done in the process that becomes the server.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from strongroom.core.errors import StrongroomError

if TYPE_CHECKING:  # takes its time to import, and `--help` does not need it
    from multiprocessing.connection import Connection

T = TypeVar("T")


def run_apart(work: Callable[[], T]) -> T:
    """Do the work in a fork of this process and return what it returns, or raise what it refuses."""
    from multiprocessing import get_context

    context = get_context("fork")
    answer, told = context.Pipe(duplex=False)
    process = context.Process(target=_tell, args=(work, told))
    process.start()
    told.close()
    with answer:
        try:
            result, refusal = answer.recv()
        except EOFError:
            refusal = (RuntimeError, "the process that prepares the start ended without a word")
        process.join()
    if refusal is not None:
        kind, *parts = refusal
        raise kind(*parts)
    return result  # type: ignore[no-any-return]  # what `work` returned, sent from process to process


def _tell(work: Callable[[], object], told: Connection) -> None:
    """Do the work and send its end; an error goes as its parts, since it cannot be sent itself."""
    try:
        told.send((work(), None))
    except StrongroomError as error:
        told.send((None, (type(error), error.code, error.message, error.hint)))
    except KeyboardInterrupt:
        return  # the process that waits for this one was interrupted, too
    except Exception as error:
        told.send((None, (RuntimeError, f"{type(error).__name__}: {error}")))
