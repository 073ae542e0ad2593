"""The kinds of values that settings hold, each with the check that a mistake must not pass."""

import base64
import binascii
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

import orjson
from pydantic import AfterValidator, BeforeValidator, SecretStr, StringConstraints

from config.keys import Duration, Size
from config.quantities import seconds, size

DATA_DIR = "{data_dir}"
AES_KEY_CHARS = 43
ADMIN_TOKEN_CHARS = 8
SPACE = re.compile(r"\s")
LIST_SEPARATOR = re.compile("[,，]")  # the second is what a Chinese keyboard types


def _words(value: object) -> object:
    """Split what an environment variable holds; a list of the file passes as it is."""
    if not isinstance(value, str):
        return value
    return [word.strip() for word in LIST_SEPARATOR.split(value) if word.strip()]


def _json(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        raise ValueError("is no JSON") from None


def _number(value: object) -> object:
    if isinstance(value, bool):  # pydantic takes it for 0 or 1
        raise ValueError("is no whole number")  # noqa: TRY004 - pydantic collects ValueErrors alone
    return value


def _folder(value: Path) -> Path:
    if not value.is_dir():
        raise ValueError("is not a folder that exists")
    return value


def _absolute(value: Path) -> Path:
    """Return the path as seen from the folder that the service was started in."""
    if value.parts[:1] == (DATA_DIR,):
        return value  # filled in once the data folder is known
    return value.expanduser().absolute()


def _secret(check: Callable[[str], None]) -> Callable[[SecretStr], SecretStr]:
    """Apply ``check`` to what a secret hides."""

    def checked(value: SecretStr) -> SecretStr:
        check(value.get_secret_value())
        return value

    return checked


def _one_word(value: str) -> None:
    if not value:
        raise ValueError("is empty")
    if SPACE.search(value) or not value.isascii():
        raise ValueError("has blanks or letters outside ASCII in it")


def _admin_token(value: str) -> None:
    _one_word(value)
    if len(value) < ADMIN_TOKEN_CHARS:
        raise ValueError(f"has {len(value)} characters: too easy to guess")


def _aes_key(value: str) -> None:
    if len(value) != AES_KEY_CHARS:
        raise ValueError(f"has {len(value)} characters instead of {AES_KEY_CHARS}")
    try:
        base64.b64decode(value + "=", validate=True)
    except binascii.Error:
        raise ValueError("has characters that base64 does not use") from None


def _split(value: str) -> SplitResult:
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        raise ValueError("is no URL") from None
    return parts


def _web_url(value: str) -> str:
    return _url(value, "http", "https")


def _socket_url(value: str) -> str:
    return _url(value, "ws", "wss")


def _url(value: str, *schemes: str) -> str:
    parts = _split(value)
    if parts.scheme not in schemes or not parts.hostname or SPACE.search(value):
        raise ValueError(f"is no {' or '.join(f'{scheme}://' for scheme in schemes)} URL")
    if parts.username is not None or parts.password is not None:
        raise ValueError("has a name or a password in it")
    if parts.query or parts.fragment:
        raise ValueError("has a query or a fragment")
    return value.rstrip("/")


def _database_url(value: str) -> str:
    prefix = "sqlite:///"
    if not value.startswith(prefix) or value == prefix:
        raise ValueError("names no SQLite file")
    return value


def _host(value: str) -> str:
    bare = value.removeprefix("*.")
    if not bare or SPACE.search(bare) or any(mark in bare for mark in "/:*@"):
        raise ValueError("holds something that is no host name")
    return value.lower()


def _model(value: str) -> str:
    provider, _, name = value.partition("/")
    if not provider or not name:
        raise ValueError("does not name a provider and a model")
    return value


Secret = SecretStr
Word = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
OneWordSecret = Annotated[Secret, AfterValidator(_secret(_one_word))]
AdminToken = Annotated[Secret, AfterValidator(_secret(_admin_token))]
AesKey = Annotated[Secret, AfterValidator(_secret(_aes_key))]
WebUrl = Annotated[Word, AfterValidator(_web_url)]
SocketUrl = Annotated[Word, AfterValidator(_socket_url)]
DatabaseUrl = Annotated[Word, AfterValidator(_database_url)]
Number = Annotated[int, BeforeValidator(_number)]
Hosts = Annotated[tuple[Annotated[Word, AfterValidator(_host)], ...], BeforeValidator(_words)]
People = Annotated[tuple[Word, ...], BeforeValidator(_words)]
ModelName = Annotated[Word, AfterValidator(_model)]
AnyPath = Annotated[Path, AfterValidator(_absolute)]
Folder = Annotated[Path, AfterValidator(_absolute), AfterValidator(_folder)]
FromJson = BeforeValidator(_json)
Seconds = Annotated[float, BeforeValidator(seconds), Duration()]
Bytes = Annotated[int, BeforeValidator(size), Size()]
