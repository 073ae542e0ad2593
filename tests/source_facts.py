"""What the source says of itself, read as syntax: the events that it logs, the calls that it makes."""

import ast
import functools
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("bot", "handlers", "commands", "store", "config")
LEVELS = ("debug", "info", "warning", "error", "critical")
AS_LOGGED = {"exception": "error"} | {level: level for level in LEVELS}
OUTPUT = frozenset({"exc_info", "stack_info"})  # arguments of the logger, not facts


@dataclass(slots=True)
class LogEvent:
    """One event, wherever it is logged."""

    levels: set[str] = field(default_factory=set)
    fields: set[str] = field(default_factory=set)


def sources() -> Iterator[Path]:
    """Yield every module of the product."""
    for package in PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))


@functools.cache
def log_events() -> dict[str, LogEvent]:
    """Return every event of the source by its name."""
    found: dict[str, LogEvent] = {}
    for path in sources():
        text = path.read_text(encoding="utf-8")
        if "get_logger" not in text:  # something else may be called log there
            continue
        for function in _functions(ast.parse(text)):
            for names, levels, fields in _calls(function):
                for name in names:
                    event = found.setdefault(name, LogEvent())
                    event.levels |= levels
                    event.fields |= fields
    return found


def loggers() -> set[str]:
    """Return every name that a logger of the source is given."""
    return {
        target.id
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Assign) and "get_logger" in ast.unparse(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def calls_of(module: str, names: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield the file and the name of each call of ``module.name``."""
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = node.func if isinstance(node, ast.Call) else None
            if not isinstance(called, ast.Attribute) or called.attr not in names:
                continue
            if isinstance(called.value, ast.Name) and called.value.id == module:
                yield path.relative_to(ROOT).as_posix(), called.attr


def missing_proofs(proofs: Iterable[tuple[str, str]]) -> list[str]:
    """Return of files and tests that a page names those that are not there."""
    return [f"{file}::{test}" for file, test in proofs if not _proves(ROOT / file, test)]


def _proves(file: Path, test: str) -> bool:
    if not file.is_file():
        return False
    text = file.read_text(encoding="utf-8")
    return re.search(rf"^(?:async )?def {test}\(", text, re.MULTILINE) is not None


def _functions(tree: ast.Module) -> Iterator[ast.AST]:
    return (
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def _calls(function: ast.AST) -> Iterator[tuple[set[str], set[str], set[str]]]:
    """Yield names, levels and fields of each entry that a function logs."""
    local = {
        target.id: node.value
        for node in ast.walk(function)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and (levels := _levels(node.func, local)):
            yield _names(node.args[0], local), levels, _fields(node, local)


def _levels(node: ast.expr, local: dict[str, ast.expr]) -> set[str]:
    """Return the levels of ``log.info``, or of a name that stands for one of several."""
    if isinstance(node, ast.Attribute):
        is_log = isinstance(node.value, ast.Name) and node.value.id == "log"
        return {AS_LOGGED[node.attr]} if is_log and node.attr in AS_LOGGED else set()
    if isinstance(node, ast.IfExp):
        return _levels(node.body, local) | _levels(node.orelse, local)
    if isinstance(node, ast.Name) and node.id in local:
        held = local[node.id]
        return _levels(held, {}) if isinstance(held, ast.Attribute | ast.IfExp) else set()
    return set()


def _names(node: ast.expr, local: dict[str, ast.expr]) -> set[str]:
    """Return the words that an event may have; they stand in the source as they are logged."""
    if isinstance(node, ast.IfExp):
        return _names(node.body, local) | _names(node.orelse, local)
    if isinstance(node, ast.Name):
        return _names(local[node.id], {})
    assert isinstance(node, ast.Constant), f"no literal name: {ast.unparse(node)}"
    assert isinstance(node.value, str), f"no name: {ast.unparse(node)}"
    return {node.value}


def _fields(call: ast.Call, local: dict[str, ast.expr]) -> set[str]:
    named = {keyword.arg for keyword in call.keywords if keyword.arg} - OUTPUT
    for keyword in call.keywords:
        if keyword.arg is None:
            named |= _keys(keyword.value, local)
    return named


def _keys(node: ast.expr, local: dict[str, ast.expr]) -> set[str]:
    """Return the keys of a dictionary that is spread into a call."""
    held = local[node.id] if isinstance(node, ast.Name) else node
    assert isinstance(held, ast.Dict), f"no literal facts: {ast.unparse(node)}"
    keys = {key.value for key in held.keys if isinstance(key, ast.Constant)}
    assert len(keys) == len(held.keys), f"no literal keys: {ast.unparse(held)}"
    return {str(key) for key in keys}
