"""How a field is read out of decoded JSON without trusting it."""

import re
from collections.abc import Mapping, Sequence
from json import loads as loads_leniently

import orjson

Json = Mapping[str, object]

NOTHING: Json = {}
HUGE = 2**63  # no count or time of the server's is that large, and SQLite takes none
HALF_A_CHARACTER = re.compile("[\ud800-\udfff]")


def decoded(content: bytes) -> object:
    """Return what JSON says; half a character in a text (a cut emoji) becomes a mark.

    JavaScript writes such halves as escapes; strict decoders refuse the whole document for
    them, and SQLite the text. Raises ValueError.
    """
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        if b"\\ud" not in content.lower():
            raise
    try:
        return _whole(loads_leniently(content))
    except RecursionError as exc:
        raise ValueError("nested too deep") from exc


def _whole(value: object) -> object:
    if isinstance(value, str):
        return HALF_A_CHARACTER.sub("\ufffd", value)
    if isinstance(value, list):
        return [_whole(one) for one in value]
    if isinstance(value, dict):
        return {HALF_A_CHARACTER.sub("\ufffd", key): _whole(one) for key, one in value.items()}
    return value


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
    """Return a whole number (JavaScript's may come with a point), or None; no number is huge."""
    value = json.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if -HUGE < value < HUGE else None


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
