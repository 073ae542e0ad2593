"""Durations and sizes as people write them: `90s`, `60m`, `7d`, `50MB`."""

import re

WRITTEN = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)")
SECONDS = {"ms": 0.001, "": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}
BYTES = {
    "": 1,
    "b": 1,
    "kb": 1000,
    "mb": 1000**2,
    "gb": 1000**3,
    "kib": 1024,
    "mib": 1024**2,
    "gib": 1024**3,
}


def seconds(value: object) -> float:
    """Return a duration in seconds; a bare number is seconds already."""
    return _amount(value, SECONDS, "a duration")


def size(value: object) -> int:
    """Return a size in bytes; `MB` is a million, `MiB` is 1024 times 1024."""
    return int(_amount(value, BYTES, "a size"))


def write_seconds(value: float) -> str:
    """Return ``value`` seconds in the largest unit that leaves no rest."""
    for unit in ("d", "h", "m"):
        if value >= SECONDS[unit] and not value % SECONDS[unit]:
            return f"{value / SECONDS[unit]:.15g}{unit}"
    return f"{value:.15g}s"


def write_size(value: int) -> str:
    """Return ``value`` bytes in the largest decimal unit that leaves no rest."""
    for unit in ("GB", "MB", "KB"):
        if value >= BYTES[unit.lower()] and not value % BYTES[unit.lower()]:
            return f"{value // BYTES[unit.lower()]}{unit}"
    return f"{value}B"


def _amount(value: object, units: dict[str, float] | dict[str, int], what: str) -> float:
    written = WRITTEN.fullmatch(str(value).strip())
    if isinstance(value, bool) or written is None or written[2].lower() not in units:
        raise ValueError(f"is not {what}")
    amount = float(written[1]) * units[written[2].lower()]
    if not amount:
        raise ValueError("must be more than nothing")
    return amount
