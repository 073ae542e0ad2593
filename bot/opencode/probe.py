"""What we ask an OpenCode server before we rely on it: who it is, what it can, which disk it sees."""

import contextlib
import secrets
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import orjson

from bot.errors import OpenCodeError, OpenCodeUnavailable
from bot.opencode.capabilities import ASKED, Capabilities, number_of
from bot.opencode.words import unquoted
from bot.tls import trusted

OLDEST, NEWEST = "1.2.27", "1.18.33"  # what docs/reference/opencode-versions.md proves
NEEDED = ("/config", "/agent", "/session/status", "/permission", "/question")
PATIENCE_S = 5.0
PORT_OPENS_S = 0.5  # a request in the instant in which the port opens is never answered
FIRST_USE_S = 30.0  # the first call for a folder loads plugins


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is and how to log in."""

    url: str
    username: str
    password: str = field(repr=False)


class Probe:
    """Asks one server. Everything raises ``OpenCodeUnavailable`` when there is no answer."""

    def __init__(self, address: Address) -> None:
        auth = httpx.BasicAuth(address.username, address.password) if address.password else None
        self._http = httpx.AsyncClient(
            base_url=address.url, auth=auth, trust_env=False, verify=trusted()
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def version(self, limit_s: float = PATIENCE_S) -> str:
        """Return the server's version; raises ``OpenCodeError`` when it does not know us."""
        health = await self._json("/global/health", limit_s=limit_s)
        if not isinstance(health, dict) or not isinstance(health.get("version"), str):
            raise OpenCodeUnavailable("/global/health: not an answer of OpenCode's")
        return str(health["version"])

    async def lacks(self, directory: Path | None) -> list[str]:
        """Return which of the calls that we need the server does not have.

        Raises ``OpenCodeError`` when it can do nothing because its configuration is wrong.
        """
        missing: list[str] = []
        for path in NEEDED:
            try:
                await self._json(path, directory, limit_s=FIRST_USE_S)
            except OpenCodeError as exc:
                if exc.status == HTTPStatus.BAD_REQUEST:
                    raise
                missing.append(path)
        return missing

    async def capabilities(self, version: str, directory: Path | None) -> Capabilities:
        """Return what the server can do of what releases differ in."""
        missing: list[str] = []
        for path in ASKED:
            try:
                await self._json(path, directory, limit_s=FIRST_USE_S)
            except OpenCodeError:
                missing.append(path)
        return Capabilities.of(version, missing)

    async def shares_disk(self, directory: Path) -> bool:
        """Tell whether the server sees our ``directory``: it must read back what we write there."""
        word = secrets.token_hex(16)
        file = directory / f"probe-{word[:8]}.txt"
        _place(file, word)
        try:
            answer = await self._json("/file/content", directory, {"path": file.name}, FIRST_USE_S)
        except OpenCodeError:
            return False
        finally:
            file.unlink(missing_ok=True)
        return isinstance(answer, dict) and answer.get("content") == word

    async def dispose(self, limit_s: float) -> None:
        """Have the server abort every turn and end its commands, if it listens."""
        with contextlib.suppress(httpx.HTTPError):
            await self._http.post("/global/dispose", timeout=limit_s)

    async def _json(
        self,
        path: str,
        directory: Path | None = None,
        params: dict[str, str] | None = None,
        limit_s: float = PATIENCE_S,
    ) -> object:
        query = {**(params or {}), **({"directory": str(directory)} if directory else {})}
        try:
            response = await self._http.get(path, params=query, timeout=limit_s)
        except httpx.HTTPError as exc:
            raise OpenCodeUnavailable(f"{path}: {exc!r}", sent=False) from exc
        kind = response.headers.get("content-type", "").partition(";")[0]
        if response.is_error or kind != "application/json":
            raise _refusal(response, path)
        return _decoded(response)


def proved(version: str) -> bool:
    """Tell whether we have been tested with this version."""
    number, oldest, newest = (number_of(one) for one in (version, OLDEST, NEWEST))
    assert oldest is not None, "a plain version"
    assert newest is not None, "a plain version"
    return number is not None and oldest <= number <= newest


def warning_about(version: str) -> str | None:
    """Return the sentence for a version that we have not been tested with."""
    if proved(version):
        return None
    return (
        f"OpenCode {version} is outside the range that this service was tested with "
        f"({OLDEST} to {NEWEST}); it may behave in ways that we do not know."
    )


def refusal_of(version: str, missing: list[str]) -> str | None:
    """Return the sentence for a server that cannot do what we need."""
    if not missing:
        return None
    return (
        f"OpenCode {version} does not answer {', '.join('GET ' + path for path in missing)}, "
        f"which this service needs; install a version from {OLDEST} to {NEWEST}."
    )


def _place(file: Path, word: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(word)


def _decoded(response: httpx.Response) -> object:
    try:
        return orjson.loads(response.content)
    except ValueError as exc:
        raise OpenCodeUnavailable(f"{response.url.path}: not JSON") from exc


def _refusal(response: httpx.Response, path: str) -> OpenCodeError:
    try:
        facts = _object(orjson.loads(response.content))
    except ValueError:
        facts = {}
    data = _object(facts.get("data"))
    issues = data.get("issues")
    words = [str(data[key]) for key in ("path", "message") if data.get(key)]
    words += [_issue(issue) for issue in issues] if isinstance(issues, list) else []
    name = str(facts.get("name") or response.headers.get("content-type", ""))
    return OpenCodeError(response.status_code, path, name=name, message=unquoted("; ".join(words)))


def _issue(issue: object) -> str:
    """Say which key of a configuration is wrong and why."""
    facts = _object(issue)
    path = facts.get("path")
    where = ".".join(str(name) for name in path) if isinstance(path, list) else ""
    return f"{where}: {facts.get('message', '')}"


def _object(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}
