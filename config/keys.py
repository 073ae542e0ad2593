"""What each setting is called, in the file and in the environment, and how it is written."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import get_args

from pydantic import BaseModel, ConfigDict, SecretStr
from pydantic.fields import FieldInfo

from config.quantities import write_seconds, write_size

PROJECT = "NAME"


class Section(BaseModel):
    """A table of the file."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, str_strip_whitespace=True
    )


@dataclass(frozen=True, slots=True)
class Key:
    """What a person must know about one setting; annotates the field that holds it.

    ``env`` is needed only where it is not ``BOT_<SECTION>_<KEY>``, ``default`` only where the
    field's default does not say it.
    """

    purpose: str
    shape: str
    example: str
    env: str | None = None
    default: str = ""


@dataclass(frozen=True, slots=True)
class Duration:
    """Marks a field that holds seconds."""


@dataclass(frozen=True, slots=True)
class Size:
    """Marks a field that holds bytes."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One setting: its dotted key, its environment variable ('' when it has none), its words."""

    key: str
    env: str
    secret: bool
    default: str
    purpose: str
    shape: str
    example: str


def entries(model: type[BaseModel], prefix: tuple[str, ...] = ()) -> Iterator[Entry]:
    """Yield every setting beneath ``model``, in the order of its fields."""
    for name, field in model.model_fields.items():
        path = (*prefix, name)
        key = _key(field)
        if key is not None:
            yield _entry(path, field, key)
        section = _section(field)
        if section is not None:
            keyed = path if section is field.annotation else (*path, PROJECT)
            yield from entries(section, keyed)


def _section(field: FieldInfo) -> type[BaseModel] | None:
    """Return the model that ``field`` holds: itself, or by name as in ``dict[str, Project]``."""
    kinds = (field.annotation, *get_args(field.annotation))
    models = (kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel))
    return None if _key(field) else next(models, None)


def _key(field: FieldInfo) -> Key | None:
    return next((mark for mark in field.metadata if isinstance(mark, Key)), None)


def _entry(path: tuple[str, ...], field: FieldInfo, key: Key) -> Entry:
    env = "BOT_" + "_".join(path).upper() if key.env is None else key.env
    secret = _holds_secret(field.annotation)
    default = key.default or _default(field)
    return Entry(".".join(path), env, secret, default, key.purpose, key.shape, key.example)


def _holds_secret(annotation: object) -> bool:
    return annotation is SecretStr or any(_holds_secret(kind) for kind in get_args(annotation))


def _default(field: FieldInfo) -> str:
    value = field.get_default()
    if field.is_required():
        return "required"
    if value is None or value in ("", ()):
        return "none"
    if Duration() in field.metadata:
        return write_seconds(value)
    if Size() in field.metadata:
        return write_size(value)
    if isinstance(value, tuple):
        return ", ".join(value)
    return f"./{value}" if isinstance(value, PurePath) else str(value)
