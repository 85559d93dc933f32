"""The inspecting child: a process that may read files, and little else.

Takes jobs from standard input, answers on standard output, ends when the server
closes the pipe. Limits itself before the first job: memory, open files, no writing,
no further processes; processor time for each job. Imports the core's gate only, so
that it starts fast and has little to attack.
"""

from __future__ import annotations

import math
import os
import resource
import signal
import sys
from pathlib import Path
from typing import BinaryIO

from strongroom.adapters.inspector.frames import frame, read_frame
from strongroom.adapters.inspector.limits import limit_process
from strongroom.adapters.inspector.messages import Answer, Job, Refused, Unreadable, decode_job, encode, to_answer
from strongroom.core.archive import inspect_archive
from strongroom.core.names import Filename

_NICENESS = 10


def serve(jobs: BinaryIO, answers: BinaryIO) -> None:
    """Answer jobs until the server closes the pipe."""
    while (body := read_frame(jobs)) is not None:
        job = decode_job(body)
        _allow_cpu(job.cpu_seconds)
        answers.write(frame(encode(inspect(job))))
        answers.flush()


def inspect(job: Job) -> Answer:
    """Run the gate over the job's file."""
    try:
        with Path(job.path).open("rb") as file:
            return to_answer(inspect_archive(file, Filename(job.filename)))
    except MemoryError:
        return Refused(
            "archive-too-expensive",
            "Reading the archive takes more memory than an upload may use",
            "Split the package, or leave out what is not needed.",
        )
    except OSError as error:
        return Unreadable(f"{type(error).__name__}: {error.strerror}")


def _allow_cpu(seconds: int) -> None:
    """Let the process be killed (SIGXCPU) when it has used this much more processor time."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = math.ceil(used.ru_utime + used.ru_stime) + seconds
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


if __name__ == "__main__":
    # systemd sends SIGTERM to all processes of a unit; the server, which drains first, closes the pipe when it is done.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    limit_process(int(sys.argv[1]))
    os.nice(_NICENESS)
    serve(sys.stdin.buffer, sys.stdout.buffer)
