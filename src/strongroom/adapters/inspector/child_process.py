"""A long-lived child process that is given jobs and gives answers, as frames through its pipes.

Decides how a child is started, that it sees nothing of the server's environment, and how
it ends. Does not know what is asked (`messages.py`, `page_messages.py`), and starts none
again: whoever asks decides that.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process

from strongroom.adapters.inspector.frames import LENGTH, LONGEST_FRAME_BYTES, frame
from strongroom.core.errors import Unavailable
from strongroom.core.os_faults import TOO_MANY_OPEN, too_many_files

_CLOSING_SECONDS = 2
_BUFFER_BYTES = 1 << 20


class ChildProcess:
    """One child process. It is ready when it owes no answer."""

    def __init__(self, process: Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._stdin = process.stdin
        self._stdout = process.stdout
        self.is_ready = True
        self.jobs = 0
        self.ended_itself_with: int | None = None
        """The exit status, negative for a signal, of a child that we did not end."""

    @classmethod
    async def start(cls, module: str, *arguments: str) -> ChildProcess:
        """Run the module; raises `Unavailable` if the system has no room for a process."""
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-I", "-m", module, *arguments,
                stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env={}, cwd="/", start_new_session=True, limit=_BUFFER_BYTES,
            )  # fmt: skip
        except OSError as error:
            if error.errno in TOO_MANY_OPEN:
                raise too_many_files("Starting a process that inspects files") from error
            raise Unavailable("inspector-start", f"No process to inspect files could be started: {error}") from error
        return cls(process)

    @property
    def is_alive(self) -> bool:
        return self._process.returncode is None

    async def ask(self, job: bytes) -> bytes | None:
        """Return the child's answer; None if it ended without one."""
        self.is_ready = False
        self.jobs += 1
        try:
            self._stdin.write(frame(job))
            await self._stdin.drain()
            (length,) = LENGTH.unpack(await self._stdout.readexactly(LENGTH.size))
            if length > LONGEST_FRAME_BYTES:
                return None
            answer = await self._stdout.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            # Its pipe is closed, so it has ended: its exit status says why.
            self.ended_itself_with = await self._process.wait()
            return None
        self.is_ready = True
        return answer

    async def end(self) -> None:
        """Let an idle child go, kill a busy one, and wait for it."""
        self._stdin.close()
        with contextlib.suppress(ProcessLookupError):
            if not self.is_ready:
                self._process.kill()
            try:
                async with asyncio.timeout(_CLOSING_SECONDS):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
