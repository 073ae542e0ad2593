"""Rows as records: the columns of a record are its fields, in their order."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar

from store.database import Row

Record = TypeVar("Record")


def columns(record: type[Any]) -> str:
    """Return the fields of ``record`` as the list of columns to ask for."""
    return ", ".join(field.name for field in fields(record))


def reader(record: type[Record]) -> Callable[[Row], Record]:
    """Return what makes a ``record`` of a row of its ``columns``; 0 and 1 become a bool."""
    flags = [place for place, field in enumerate(fields(record)) if field.type is bool]  # type: ignore[arg-type]  # a dataclass, which type[] cannot say

    def read(row: Row) -> Record:
        values = list(row)
        for place in flags:
            values[place] = bool(values[place])
        return record(*values)

    return read
