"""Which keys a configuration sets, and which of them a later source sets again. Names only, never values."""

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePath

Leaf = tuple[str, ...]

BY_NAME = ("agent", "mode", "provider", "permission", "plugin", "command", "mcp")
SHAPES: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(("model", "small_model", "default_agent", "username"), (str,)),
    **dict.fromkeys(("agent", "mode", "provider", "command", "mcp"), (dict,)),
    "permission": (dict, str),
    "plugin": (list,),
}
SCHEMA = "$schema"
VERSIONED = re.compile(r"(?P<name>@?[^@]+)(@.*)?")


def leaves(config: Mapping[str, object]) -> frozenset[Leaf]:
    """Return the path of everything that a configuration sets."""
    found: set[Leaf] = set()
    for key, value in config.items():
        if key == "plugin" and isinstance(value, list):
            found |= {("plugin", plugin_name(spec)) for spec in specs(value)}
        elif key != SCHEMA:
            found |= set(_beneath((key,), value))
    return frozenset(found)


def shown(paths: Iterable[Leaf]) -> tuple[str, ...]:
    """Return the keys as people name them: ``model``, ``agent.build``, ``provider.openai``."""
    return tuple(sorted({name for path in paths for name in _names(path)}))


def under(name: str, paths: Iterable[Leaf]) -> frozenset[Leaf]:
    """Return the paths that one shown key stands for."""
    return frozenset(path for path in paths if name in _names(path))


def wrong_shape(config: object) -> str:
    """Say which key has a value of a kind that OpenCode refuses; empty when none has."""
    if not isinstance(config, dict):
        return "it is no JSON object"
    for key, kinds in SHAPES.items():
        if key in config and not isinstance(config[key], kinds):
            wanted = " or ".join(_KINDS[kind] for kind in kinds)
            return f"{key} must be {wanted}"
    return ""


def specs(value: Iterable[object]) -> list[str]:
    """Return the plugins of a ``plugin`` list; one with options is a pair."""
    first = (item[0] if isinstance(item, list) and item else item for item in value)
    return [item for item in first if isinstance(item, str)]


def plugin_name(spec: str) -> str:
    """Return what tells one plugin from another: a package without its version, a file's name."""
    if is_file(spec):
        return PurePath(spec.removeprefix("file://")).stem
    found = VERSIONED.fullmatch(spec)
    return found["name"] if found else spec


def is_file(spec: str) -> bool:
    """Tell whether a plugin is a file, and no package."""
    return spec.startswith(("file://", ".", "/", "~"))


_KINDS: Mapping[type, str] = {str: "a string", dict: "an object", list: "a list"}


def _beneath(path: Leaf, value: object) -> Iterable[Leaf]:
    if not isinstance(value, dict) or not value:
        return [path]
    return [leaf for key, inner in value.items() for leaf in _beneath((*path, str(key)), inner)]


def _names(path: Leaf) -> list[str]:
    if path[0] not in BY_NAME or len(path) == 1:
        return [path[0]]
    names = [f"{path[0]}.{path[1]}"]
    if path[0] in {"agent", "mode"} and path[2:] == ("model",):
        names.append(f"{path[0]}.{path[1]}.model")
    return names
