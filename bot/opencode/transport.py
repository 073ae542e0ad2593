"""One request to OpenCode at a time: JSON in and out, limits, and its errors as ours."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar

import httpx
import orjson

from bot.errors import OpenCodeError, OpenCodeUnavailable, SessionGone
from bot.opencode.fields import as_json, child, decoded, text
from bot.opencode.words import unquoted
from bot.tls import trusted

CONNECT_LIMIT_S = 5.0
FIRST_LOOK_S = 5.0  # then what only reads is asked for once more, with all the patience there is
MEANS_DOWN = (HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)
NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)

Directory = Path | str
_T = TypeVar("_T")


class Transport:
    """Connections to one server. What is raised is said at ``bot.opencode.client.OpenCode``."""

    def __init__(self, url: str, username: str, password: str, limit_s: float) -> None:
        self._limit_s = limit_s
        self._http = httpx.AsyncClient(
            base_url=url,
            auth=httpx.BasicAuth(username, password) if password else None,
            headers={"accept": "application/json", "accept-encoding": "identity"},
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=20),
            trust_env=False,
            verify=trusted(),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def get(
        self,
        path: str,
        read: Callable[[object], _T],
        directory: Directory | None = None,
        params: Mapping[str, str] | None = None,
    ) -> _T:
        """Read something. Who asks in the moment the server's port opens is never answered."""
        first_s = min(FIRST_LOOK_S, self._limit_s)
        try:
            return await self.call(
                "GET", path, read, directory=directory, params=params, limit_s=first_s
            )
        except OpenCodeUnavailable as exc:
            if not isinstance(exc.__cause__, httpx.ReadTimeout | TimeoutError):
                raise
        return await self.call("GET", path, read, directory=directory, params=params)

    async def post(
        self,
        path: str,
        body: Mapping[str, object] | None = None,
        *,
        directory: Directory | None = None,
        limit_s: float | None = None,
        extensions: Mapping[str, object] | None = None,
    ) -> None:
        """Ask for something to be done, and read nothing of the answer."""
        await self.call(
            "POST",
            path,
            nothing,
            directory=directory,
            body=body or {},
            limit_s=limit_s,
            extensions=extensions,
        )

    async def call(
        self,
        method: str,
        path: str,
        read: Callable[[object], _T],
        *,
        directory: Directory | None = None,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
        limit_s: float | None = None,
        extensions: Mapping[str, object] | None = None,
    ) -> _T:
        """Ask once; ``read`` makes a value of the JSON of the answer, or raises ValueError."""
        query = dict(params or {})
        if directory is not None:
            query["directory"] = str(directory)
        limit_s = limit_s or self._limit_s
        connect_s = min(self._limit_s, CONNECT_LIMIT_S)
        with _as_our_errors(path):
            # httpx counts from byte to byte; this counts the whole call.
            async with asyncio.timeout(connect_s + limit_s):
                response = await self._http.request(
                    method,
                    path,
                    params=query,
                    content=None if body is None else orjson.dumps(body),
                    headers={} if body is None else {"content-type": "application/json"},
                    timeout=httpx.Timeout(limit_s, connect=connect_s),
                    extensions=dict(extensions or {}),
                )
            return read(_content(response, path))


@contextlib.contextmanager
def _as_our_errors(path: str) -> Iterator[None]:
    try:
        yield
    except NEVER_SENT as exc:
        raise OpenCodeUnavailable(f"{path}: {exc!r}", sent=False) from exc
    except (httpx.HTTPError, TimeoutError) as exc:
        raise OpenCodeUnavailable(f"{path}: {exc!r}") from exc
    except ValueError as exc:
        raise OpenCodeUnavailable(f"{path}: not an answer of OpenCode's ({exc})") from exc


def _content(response: httpx.Response, path: str) -> object:
    """Return the decoded body of an answer; None when it has none by design."""
    if response.status_code in MEANS_DOWN:
        raise OpenCodeUnavailable(f"{path}: {response.status_code}")
    if response.is_error:
        raise _refusal(response, path)
    if response.status_code == HTTPStatus.NO_CONTENT:
        return None
    _must_be_json(response)
    return decoded(response.content)


def _must_be_json(response: httpx.Response) -> None:
    """Refuse what is no JSON; an unknown path is answered 200 with a web page."""
    kind = response.headers.get("content-type", "").partition(";")[0]
    if response.is_redirect or kind != "application/json":
        raise ValueError(f"{response.status_code} {kind}")


def _refusal(response: httpx.Response, path: str) -> OpenCodeError:
    """Return the error of an answer; the server has three shapes for it, and none for 401."""
    try:
        json = as_json(decoded(response.content))
    except ValueError:
        json = {}
    name = text(json, "name") or text(json, "_tag")
    message = unquoted(text(child(json, "data"), "message") or text(json, "message"))
    gone = response.status_code == HTTPStatus.NOT_FOUND and name == "NotFoundError"
    refusal = SessionGone if gone and path.startswith("/session/") else OpenCodeError
    return refusal(response.status_code, path, name=name, message=message)


def nothing(_: object) -> None:
    """Read nothing: that there was an answer says all."""
