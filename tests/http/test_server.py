"""How the server's first process takes the word to stop."""

from __future__ import annotations

import logging

from strongroom.http.server import Server


def make_server() -> Server:
    """Make a server that nobody starts."""
    return Server("strongroom.bootstrap:application", interface="asgi", factory=True)


def said(message: str) -> logging.LogRecord:
    """Make a record of granian's logger."""
    return logging.LogRecord("_granian", logging.ERROR, __file__, 1, message, (), None)


def test_a_signal_never_waits_for_the_code_that_it_interrupts() -> None:
    """The word to stop arrives although the interrupted thread holds the event's lock, as in the middle of a signal."""
    server = make_server()

    lock = getattr(server.main_loop_interrupt, "_cond")  # noqa: B009  # the standard library keeps it to itself
    with lock:  # what the main thread holds while it begins to wait, or handles a signal
        server.signal_handler_interrupt()
        server.signal_handler_interrupt()

    assert server.main_loop_interrupt.wait(5)
    assert server.interrupt_signal


def test_only_an_unexpected_end_of_a_worker_is_told() -> None:
    """After the word to stop, workers that end with everybody else are no news; anything else still is."""
    server = make_server()
    ended, other = said("Unexpected exit from worker-1"), said("Worker crash loop detected, exiting")

    assert server.is_worth_telling in logging.getLogger("_granian").filters
    assert server.is_worth_telling(ended)
    server.signal_handler_interrupt()

    assert not server.is_worth_telling(ended)
    assert server.is_worth_telling(other)
