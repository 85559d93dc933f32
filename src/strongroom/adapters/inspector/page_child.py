"""The child that reads upstreams' pages: some have forty thousand lines, and the server answers meanwhile.

Takes jobs from standard input, answers on standard output, ends when the server closes
the pipe. Limits its memory before the first job. Imports the core's reading of pages
only. Decides nothing: what a page says is `core/simpleapi/parse.py`.
"""

from __future__ import annotations

import gc
import signal
import sys
import traceback
from typing import BinaryIO

from strongroom.adapters.inspector.frames import frame, read_frame
from strongroom.adapters.inspector.limits import limit_process
from strongroom.adapters.inspector.page_messages import (
    PageAnswer,
    PageFailed,
    PageJob,
    PageRead,
    PageRefused,
    decode_job,
    encode,
)
from strongroom.core.errors import UpstreamFault
from strongroom.core.names import IndexName, ProjectName
from strongroom.core.page_content import encode_content
from strongroom.core.simpleapi.parse import parse_page


def serve(jobs: BinaryIO, answers: BinaryIO) -> None:
    """Answer jobs until the server closes the pipe."""
    while (body := read_frame(jobs)) is not None:
        answers.write(frame(encode(read(decode_job(body)))))
        answers.flush()


def read(job: PageJob) -> PageAnswer:
    """Return what the page says, or why nothing is made of it."""
    try:
        page = parse_page(job, index=IndexName(job.index), project=ProjectName(job.project), now=job.now)
        return PageRead(encode_content(page))
    except UpstreamFault as fault:
        return PageRefused(fault.code, fault.message, fault.hint)
    except Exception:
        return PageFailed(traceback.format_exc())


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as in `child.py`
    limit_process(int(sys.argv[1]))
    gc.disable()  # a page makes no cycles, and its end frees all of it
    serve(sys.stdin.buffer, sys.stdout.buffer)
