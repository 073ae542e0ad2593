"""How a field is read out of decoded JSON without trusting it."""

import math
from collections.abc import Mapping, Sequence

Json = Mapping[str, object]

NOTHING: Json = {}


def need(json: Json, key: str) -> str:
    """Return a text that we cannot do without; ValueError names the key that lacks it."""
    value = json.get(key)
    if isinstance(value, str) and value:
        return value
    raise ValueError(f"no {key}")


def text(json: Json, key: str) -> str:
    """Return a text, empty when there is none."""
    value = json.get(key)
    return value if isinstance(value, str) else ""


def number(json: Json, key: str) -> int | None:
    """Return a whole number (JavaScript's may come with a point), or None."""
    value = json.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if math.isfinite(value) else None


def child(json: Json, key: str) -> Json:
    """Return an object, empty when there is none."""
    return as_json(json.get(key))


def items(json: Json, key: str) -> Sequence[object]:
    """Return a list, empty when there is none."""
    value = json.get(key)
    return value if isinstance(value, list) else ()


def texts(json: Json, key: str) -> tuple[str, ...]:
    """Return the texts of a list; a single text counts as a list of one."""
    value = json.get(key)
    if isinstance(value, str):
        return (value,)
    return tuple(item for item in items(json, key) if isinstance(item, str))


def as_json(value: object) -> Json:
    """Return ``value`` when it is an object, else an empty one."""
    return value if isinstance(value, dict) else NOTHING
