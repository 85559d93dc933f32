"""Popular wheels and sdists, old and new, to hold the archive gate against: `python -m tests.corpus DIRECTORY`.

Takes them from where this machine's pip would, through pip's own session and finder,
and builds nothing. Then runs the gate over the directory and reports each refusal;
the exit status is 1 if a refusal is not among those that are known and explained.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from strongroom.core.archive import inspect_archive
from strongroom.core.errors import InvalidName
from strongroom.core.names import parse_filename
from strongroom.core.policy import Refuse

NAMES = (
    "attrs", "boto3", "cffi", "click", "colorama", "coverage", "cryptography", "django", "docutils", "flask",
    "gevent", "greenlet", "idna", "jinja2", "lxml", "markupsafe", "mock", "nose", "numpy", "packaging",
    "paramiko", "pillow", "pip", "psutil", "pygments", "pytest", "python-dateutil", "pytz", "pyyaml", "redis",
    "requests", "rsa", "ruamel.yaml", "setuptools", "simplejson", "six", "sphinx", "sqlalchemy", "tornado", "tqdm",
    "twisted", "urllib3", "virtualenv", "werkzeug", "wheel", "zope.interface",
)  # fmt: skip
LARGEST_BYTES = 20 << 20
ENDINGS = (".whl", ".tar.gz", ".zip")
SECONDS = 60

KNOWN_REFUSALS = {
    "paramiko-0.1-bulbasaur.zip": "its version is not PEP 440, so no client of today can install it",
    "pytz-2004d.tar.gz": "its version is not PEP 440, so no client of today can install it",
}
"""`filename` -> why refusing it is right."""


def download(directory: Path, names: Iterable[str] = NAMES) -> None:
    """Fetch the newest and the oldest wheel and sdist of each project, if they aren't there yet."""
    directory.mkdir(parents=True, exist_ok=True)
    with _Pip() as pip:
        for name in names:
            for filename, url in pip.find_files(name):
                target = directory / filename
                if not target.exists() and pip.fetch(url, target):
                    _say(f"{filename}: {target.stat().st_size >> 10} KiB")


def judge(directory: Path) -> int:
    """Run the gate over the directory, report, and return the number of refusals without an explanation."""
    files = sorted(path for path in directory.iterdir() if path.name.endswith(ENDINGS))
    refused = 0
    surprises = 0
    for path in files:
        verdict = _judge_file(path)
        if verdict is None:
            continue
        refused += 1
        reason = KNOWN_REFUSALS.get(path.name)
        surprises += reason is None
        _say(f"{path.name}: {verdict}{f' [known: {reason}]' if reason else ''}")
    accepted = len(files) - refused
    sys.stdout.write(
        f"{accepted} of {len(files)} accepted ({accepted / max(1, len(files)):.1%}), {surprises} surprises\n"
    )
    return surprises


def _judge_file(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            verdict = inspect_archive(file, parse_filename(path.name))
    except InvalidName as error:
        return f"{error.code}: {error.sentence}"
    return f"{verdict.code}: {verdict.sentence}" if isinstance(verdict, Refuse) else None


class _Pip:
    """pip's own finder and session, so that its configuration on this machine holds: index, proxy, certificates."""

    def __init__(self) -> None:
        # Imported here: pip is no dependency of the project, and its internals are untyped where it is absent.
        from importlib import import_module

        commands: Any = import_module("pip._internal.commands")  # pip promises no types for its internals
        self._command: Any = commands.create_command("download")
        self._options, _ = self._command.parse_args(["--no-deps"])

    def __enter__(self) -> _Pip:
        self._context: Any = self._command.main_context()
        self._context.__enter__()
        self._session: Any = self._command.get_default_session(self._options)
        self._finder: Any = self._command._build_package_finder(self._options, self._session)
        return self

    def __exit__(self, *_: object) -> None:
        self._context.__exit__(None, None, None)

    def find_files(self, name: str) -> Iterator[tuple[str, str]]:
        """Yield filename and URL of up to four files."""
        found = self._finder.find_all_candidates(name)
        candidates = [candidate for candidate in found if candidate.link.filename.endswith(ENDINGS)]
        candidates.sort(key=lambda candidate: (candidate.version, candidate.link.filename))
        for is_wheel in (True, False):
            ordered = [candidate.link for candidate in candidates if candidate.link.is_wheel is is_wheel]
            for link in {link.filename: link for link in (*ordered[:1], *ordered[-1:])}.values():
                yield link.filename, link.url_without_fragment

    def fetch(self, url: str, target: Path) -> bool:
        """Download a file that is not too large; say whether it was."""
        with self._session.get(url, headers={"Accept-Encoding": "identity"}, stream=True, timeout=SECONDS) as answer:
            answer.raise_for_status()
            if int(answer.headers.get("Content-Length", 0)) > LARGEST_BYTES:
                return False
            partial = target.with_suffix(".partial")
            with partial.open("wb") as file:
                for chunk in answer.iter_content(1 << 18):
                    file.write(chunk)
            partial.rename(target)
        return True


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    where = Path(sys.argv[1])
    download(where)
    sys.exit(1 if judge(where) else 0)
