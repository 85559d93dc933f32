"""granian, with the words to stop taken as they really come: twice, and by all processes at once.

`make`, a terminal and a service manager send a signal to the whole process group, and
often a second one on top. Does not decide what is served (`bootstrap.py` does).
"""

from __future__ import annotations

import logging
import threading
from typing import Any

from granian.server.mp import MPServer

_GRANIAN_LOGGER = "_granian"


class Server(MPServer):
    """The process that starts the workers, watches them, and ends them when it is told to."""

    def __init__(self, target: str, **options: Any) -> None:  # Any: granian's own options
        super().__init__(target, **options)
        logging.getLogger(_GRANIAN_LOGGER).addFilter(self.is_worth_telling)

    def signal_handler_interrupt(self, *_signal: object) -> None:
        """Remember the word to stop, once.

        granian sets a `threading.Event` in the handler. Its lock is not reentrant: a second
        signal while the first is being handled, or one while the main thread is about to
        wait, would wait for itself for ever. So another thread sets it.
        """
        if not self.interrupt_signal:
            self.interrupt_signal = True
            threading.Thread(target=super().signal_handler_interrupt, name="stopping").start()

    def is_worth_telling(self, record: logging.LogRecord) -> bool:
        """Return False for workers that end because they were told to stop like everybody else."""
        return not (self.interrupt_signal and record.getMessage().startswith("Unexpected exit"))
