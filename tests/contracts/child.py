"""Another process that works on a catalog: `python -m tests.contracts.child URL what`.

`append N` commits N events, `forever` commits until it is killed and prints each
serial when it was acknowledged, `hang` stops in the middle of a transaction, `open`
only opens the catalog, and says when it begins to.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from pathlib import Path

from strongroom.adapters.sql.catalog import SqlCatalog, open_catalog
from strongroom.ports import Transaction
from tests.contracts.driven import CHAIN_KEY, SOMEBODY, SOMETHING
from tests.factories import a_user
from tests.fakes import START

ROOT = Path(__file__).parent.parent.parent


def start(url: str, *what: str) -> subprocess.Popen[str]:
    """Start such a process; its output is to be read from `stdout`."""
    command = [sys.executable, "-m", __name__, url, *what]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def append(tx: Transaction) -> int:
    """Append an event."""
    return tx.events.append(SOMETHING, at=START, actor=SOMEBODY)


def append_and_hang(tx: Transaction) -> None:
    """Write something, say so, and never come back."""
    append(tx)
    tx.users.add(a_user())
    say("inside")
    threading.Event().wait()


def say(what: object) -> None:
    """Print it at once."""
    print(what, flush=True)


async def work(catalog: SqlCatalog, what: list[str]) -> None:
    """Do what the command line says."""
    say("ready")
    match what:
        case ["append", count]:
            for _ in range(int(count)):
                await catalog.write(append)
        case ["forever"]:
            while True:
                say(await catalog.write(append))
        case ["hang"]:
            await catalog.write(append_and_hang)
    await catalog.close()


if __name__ == "__main__":
    if sys.argv[2] == "open":
        say("opening")
    asyncio.run(work(open_catalog(sys.argv[1], chain_key=CHAIN_KEY), sys.argv[2:]))
