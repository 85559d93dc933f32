"""A PEP 517 backend that needs nothing: it travels inside the sdists that the tests make.

So an installer can build them in its isolated environment without asking any
index for a build requirement.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

Settings = dict[str, Any] | None  # Any: PEP 517's config_settings
_EPOCH = (2020, 2, 2, 0, 0, 0)


def build_wheel(wheel_directory: str, config_settings: Settings = None, *_metadata_directory: str | None) -> str:
    """PEP 517: build the project in the current directory and return the wheel's filename."""
    project = _project()
    stem, module = _stem(project), _module(project)
    members = {
        f"{module}/__init__.py": Path(module, "__init__.py").read_bytes(),
        f"{stem}.dist-info/METADATA": metadata(project),
        f"{stem}.dist-info/WHEEL": b"Wheel-Version: 1.0\nGenerator: tiny\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    members[f"{stem}.dist-info/RECORD"] = _record(members, f"{stem}.dist-info/RECORD")
    filename = f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(Path(wheel_directory, filename), "w") as archive:
        for path, content in members.items():
            info = zipfile.ZipInfo(path, _EPOCH)
            info.external_attr = 0o100644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return filename


def build_sdist(sdist_directory: str, config_settings: Settings = None) -> str:
    """PEP 517: pack the project in the current directory and return the sdist's filename."""
    project = _project()
    stem, module = _stem(project), _module(project)
    members = {
        "PKG-INFO": metadata(project),
        "pyproject.toml": Path("pyproject.toml").read_bytes(),
        "tiny_backend.py": Path(__file__).read_bytes(),
        f"{module}/__init__.py": Path(module, "__init__.py").read_bytes(),
    }
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, content in members.items():
            info = tarfile.TarInfo(f"{stem}/{path}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    filename = f"{stem}.tar.gz"
    Path(sdist_directory, filename).write_bytes(gzip.compress(packed.getvalue(), mtime=0))
    return filename


def metadata(project: dict[str, Any]) -> bytes:
    """Return the core metadata of a `[project]` table."""
    lines = ["Metadata-Version: 2.2", f"Name: {project['name']}", f"Version: {project['version']}"]
    lines += [f"Requires-Dist: {requirement}" for requirement in project.get("dependencies", ())]
    lines += [f"Requires-Python: {project.get('requires-python', '>=3.8')}", f"Summary: {project['description']}"]
    return ("\n".join(lines) + "\n").encode()


def _record(members: dict[str, bytes], own_path: str) -> bytes:
    lines = []
    for path, content in members.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={digest},{len(content)}\n")
    return "".join([*lines, f"{own_path},,\n"]).encode()


def _project() -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    return project


def _module(project: dict[str, Any]) -> str:
    return str(project["name"]).replace("-", "_")


def _stem(project: dict[str, Any]) -> str:
    return f"{_module(project)}-{project['version']}"
