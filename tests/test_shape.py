"""The house style's limits, by `ast`: the maximum is bounded by a machine, not the average by good will."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted(path for folder in ("src", "tests", "bench") for path in (ROOT / folder).rglob("*.py"))
LONGEST_FILE = 400
LONGEST_FUNCTION = 60
MOST_PARAMETERS = 5
MOST_POSITIONAL = 2
BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "base", "misc"}
ASGI = ["scope", "receive", "send"]

EXCEPTIONS: dict[str, str] = {
    "src/strongroom/adapters/upstream/connector.py:resolve": "aiohttp's own signature",
    "tests/adapters/upstream/test_guard.py:resolve": "aiohttp's own signature",
}
"""`path:function` or `path` -> the reason why the limit is not for it."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(path: Path) -> Iterator[Function]:
    """Yield every function of a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def name_of(path: Path, function: Function | None = None) -> str:
    """Return the key of `EXCEPTIONS`."""
    relative = path.relative_to(ROOT).as_posix()
    return relative if function is None else f"{relative}:{function.name}"


def is_wired_by_decorator(function: Function) -> bool:
    """Return whether a framework fills the parameters by name: a click command, a FastAPI route, hypothesis."""
    words = {"click", "router", "command", "option", "argument", "given", "rule", "parametrize", "fixture"}
    return any(
        isinstance(node, ast.Name | ast.Attribute) and (getattr(node, "id", "") or getattr(node, "attr", "")) in words
        for decorator in function.decorator_list
        for node in ast.walk(decorator)
    )


def positional(function: Function) -> list[str]:
    """Return the parameters that can be given by position, without self and cls."""
    names = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
    return names[1:] if names[:1] in (["self"], ["cls"]) else names


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_files_are_short(path: Path) -> None:
    """No file is longer than the hard stop."""
    lines = len(path.read_text().splitlines())
    assert lines <= LONGEST_FILE or name_of(path) in EXCEPTIONS, f"{name_of(path)} has {lines} lines"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_functions_are_short(path: Path) -> None:
    """No function is longer than the hard stop."""
    long = [
        f"{name_of(path, function)}: {length} lines"
        for function in functions(path)
        if (length := (function.end_lineno or 0) - function.lineno + 1) > LONGEST_FUNCTION
        and name_of(path, function) not in EXCEPTIONS
    ]
    assert not long


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_functions_take_few_parameters(path: Path) -> None:
    """At most five parameters, keyword-only after the second; ASGI's own three excepted."""
    many = []
    is_test = path.is_relative_to(ROOT / "tests")
    for function in functions(path):
        if is_wired_by_decorator(function) or name_of(path, function) in EXCEPTIONS:
            continue
        if is_test and function.name.startswith("test_"):
            continue  # pytest fills the parameters by name
        names = positional(function)
        total = len(names) + len(function.args.kwonlyargs)
        too_many_positional = len(names) > MOST_POSITIONAL and names[:3] != ASGI
        if total > MOST_PARAMETERS or (too_many_positional and not function.name.startswith("__")):
            many.append(f"{name_of(path, function)}: {names} and {len(function.args.kwonlyargs)} by keyword")
    assert not many


def test_no_module_is_called_utils() -> None:
    """A file is named by its noun, so that a newcomer finds it."""
    named = [name_of(path) for path in SOURCES if {path.stem, path.parent.name} & BANNED_NAMES]
    assert not named


@pytest.mark.parametrize("path", [path for path in SOURCES if path.is_relative_to(ROOT / "tests")], ids=name_of)
def test_every_test_states_the_behaviour(path: Path) -> None:
    """A test's docstring says what the program does."""
    silent = [
        name_of(path, function)
        for function in functions(path)
        if function.name.startswith("test_") and not ast.get_docstring(function)
    ]
    assert not silent


@pytest.mark.parametrize("path", [path for path in SOURCES if path.is_relative_to(ROOT / "src")], ids=name_of)
def test_decoders_are_made_when_a_module_is_loaded(path: Path) -> None:
    """Two threads that are the first to decode a type crash the process (msgspec 0.22), so none is decoded by name."""
    by_type = [
        f"{name_of(path)}:{node.lineno}"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "decode"
        and any(keyword.arg == "type" for keyword in node.keywords)
    ]
    assert not by_type
