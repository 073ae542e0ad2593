"""The calls of OpenCode's HTTP API that we use, and the one place where its errors become ours."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TypeVar
from urllib.parse import quote

import httpx
import orjson

from bot.errors import OpenCodeError, OpenCodeUnavailable, SessionGone
from bot.opencode.fields import Json, as_json, child, decoded, items, need, text
from bot.opencode.model import (
    Agent,
    Command,
    FileDiff,
    Message,
    Paths,
    PermissionRequest,
    QuestionRequest,
    Session,
    Status,
    Todo,
)
from store.crashpoints import on_sent

CONNECT_LIMIT_S = 5.0
ANSWER_LIMIT_S = 30.0
FIRST_LOOK_S = 5.0  # then what only reads is asked for once more, with all the patience there is
COMMAND_LIMIT_S = 24 * 3600.0  # one of OpenCode's commands is answered when its turn is over
MEANS_DOWN = (HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)
NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)

Directory = Path | str
Reply = Literal["once", "always", "reject"]
_T = TypeVar("_T")


class OpenCode:
    """An OpenCode server, version 1.

    Every method raises ``OpenCodeError`` when the server refuses (``SessionGone`` when it does
    not know the session), and ``OpenCodeUnavailable`` when there is no answer that we can read;
    that one's ``sent`` tells whether the server may have acted all the same.
    """

    def __init__(
        self, url: str, username: str, password: str, *, timeout_s: float = ANSWER_LIMIT_S
    ) -> None:
        self._limit_s = timeout_s
        self._http = httpx.AsyncClient(
            base_url=url,
            auth=httpx.BasicAuth(username, password) if password else None,
            headers={"accept": "application/json", "accept-encoding": "identity"},
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=20),
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def health(self) -> str:
        """Return the server's version."""
        return await self._get("/global/health", lambda value: need(as_json(value), "version"))

    async def config(self, directory: Directory) -> dict[str, object]:
        """Return the settings in force for a directory. They hold secrets: never show them."""
        return await self._get("/config", lambda value: dict(_object(value)), directory)

    async def path(self, directory: Directory) -> Paths:
        """Return where the server works for a directory, and which repository it sees there."""
        return await self._get("/path", _one(Paths.parse), directory)

    async def agents(self, directory: Directory) -> list[Agent]:
        """Return the agents, hidden ones and sub-agents included."""
        return await self._get("/agent", _each(Agent.parse), directory)

    async def commands(self, directory: Directory) -> list[Command]:
        """Return OpenCode's own commands."""
        return await self._get("/command", _each(Command.parse), directory)

    async def models(self, directory: Directory) -> tuple[str, ...]:
        """Return every model as ``provider/model``."""
        return await self._get("/config/providers", _models, directory)

    async def default_models(self, directory: Directory) -> dict[str, str]:
        """Return the model that each provider would take, by provider."""
        return await self._get("/config/providers", _default_models, directory)

    async def dispose(self) -> None:
        """Abort every turn and put all state away, as before a stop. Sessions stay."""
        await self._post("/global/dispose")

    async def create_session(
        self,
        directory: Directory,
        *,
        title: str,
        metadata: Mapping[str, object],
        permission: Sequence[Mapping[str, str]] = (),
    ) -> Session:
        """Open a session. The title that is given here keeps the server from making one up."""
        body: dict[str, object] = {"title": title, "metadata": metadata}
        if permission:
            body["permission"] = permission
        return await self._call(
            "POST", "/session", _one(Session.parse), directory=directory, body=body
        )

    async def session(self, session: str) -> Session:
        """Return a session."""
        return await self._get(_of(session), _one(Session.parse))

    async def sessions(self, directory: Directory, limit: int) -> list[Session]:
        """Return the newest sessions of exactly this directory, without sub-agents'."""
        params = {"limit": str(limit), "roots": "true"}
        return await self._get("/session", _each(Session.parse), directory, params)

    async def children(self, session: str) -> list[Session]:
        """Return the sessions of a session's sub-agents."""
        return await self._get(_of(session, "children"), _each(Session.parse))

    async def rename(self, session: str, title: str) -> Session:
        """Give a session another title."""
        return await self._call("PATCH", _of(session), _one(Session.parse), body={"title": title})

    async def prompt(
        self,
        session: str,
        *,
        message: str,
        parts: Sequence[Mapping[str, object]],
        agent: str,
        model: str,
        system: str | None = None,
    ) -> None:
        """Hand a prompt over, with the id that it shall have; its turn then runs by itself.

        Not idempotent: the same id sent again runs again. After ``OpenCodeUnavailable`` with
        ``sent`` only the session's messages tell whether the server has it.
        """
        body: dict[str, object] = {"messageID": message, "parts": parts, "agent": agent}
        body["model"] = _model_id(model)
        if system is not None:
            body["system"] = system
        await self._post(_of(session, "prompt_async"), body, extensions=on_sent("C09"))

    async def run_command(
        self,
        session: str,
        *,
        message: str,
        command: str,
        arguments: str,
        agent: str,
        model: str,
    ) -> None:
        """Run one of OpenCode's own commands; returns when its turn is over."""
        body = {
            "messageID": message,
            "command": command,
            "arguments": arguments,
            "agent": agent,
            "model": model,
        }
        await self._post(_of(session, "command"), body, limit_s=COMMAND_LIMIT_S)

    async def abort(self, session: str) -> None:
        """Stop what runs in a session; returns when the server has cleaned up after it."""
        await self._post(_of(session, "abort"))

    async def status(self, directory: Directory) -> dict[str, Status]:
        """Return what the directory's sessions are doing; idle ones are absent."""
        return await self._get("/session/status", _statuses, directory)

    async def messages(self, session: str, limit: int | None = None) -> list[Message]:
        """Return a session's messages, oldest first; with ``limit`` only the newest."""
        params = {} if limit is None else {"limit": str(limit)}
        return await self._get(_of(session, "message"), _each(Message.parse), params=params)

    async def delete_message(self, session: str, message: str) -> None:
        """Take a message out of a session; the server refuses (409) while it is busy.

        In a repository a prompt that has just ended may come back, without its parts.
        """
        await self._call("DELETE", _of(session, "message", message), _nothing)

    async def todos(self, session: str) -> list[Todo]:
        """Return the agent's own list."""
        return await self._get(_of(session, "todo"), _each(Todo.parse))

    async def diff(self, session: str, message: str) -> list[FileDiff]:
        """Return what a prompt changed, where OpenCode keeps snapshots (git); late by 60 ms."""
        params = {"messageID": message}
        return await self._get(_of(session, "diff"), _each(FileDiff.parse), params=params)

    async def permissions(self, directory: Directory) -> list[PermissionRequest]:
        """Return the permissions that are waited for, ghosts of aborted turns included."""
        return await self._get("/permission", _each(PermissionRequest.parse), directory)

    async def reply_permission(
        self, directory: Directory, request: str, reply: Reply, message: str | None = None
    ) -> None:
        """Decide a permission. A rejection without a message ends the turn."""
        body = {"reply": reply} if message is None else {"reply": reply, "message": message}
        await self._post(_path("permission", request, "reply"), body, directory=directory)

    async def questions(self, directory: Directory) -> list[QuestionRequest]:
        """Return the questions that are waited for, ghosts of aborted turns included."""
        return await self._get("/question", _each(QuestionRequest.parse), directory)

    async def reply_question(
        self, directory: Directory, request: str, answers: Sequence[Sequence[str]]
    ) -> None:
        """Answer a request: for each of its questions the chosen labels, or own words."""
        path = _path("question", request, "reply")
        await self._post(path, {"answers": answers}, directory=directory)

    async def reject_question(self, directory: Directory, request: str) -> None:
        """Dismiss a request; this ends the turn."""
        await self._post(_path("question", request, "reject"), directory=directory)

    async def _get(
        self,
        path: str,
        read: Callable[[object], _T],
        directory: Directory | None = None,
        params: Mapping[str, str] | None = None,
    ) -> _T:
        """Read something. Who asks in the moment the server's port opens is never answered."""
        first_s = min(FIRST_LOOK_S, self._limit_s)
        try:
            return await self._call(
                "GET", path, read, directory=directory, params=params, limit_s=first_s
            )
        except OpenCodeUnavailable as exc:
            if not isinstance(exc.__cause__, httpx.ReadTimeout | TimeoutError):
                raise
        return await self._call("GET", path, read, directory=directory, params=params)

    async def _post(
        self,
        path: str,
        body: Mapping[str, object] | None = None,
        *,
        directory: Directory | None = None,
        limit_s: float | None = None,
        extensions: Mapping[str, object] | None = None,
    ) -> None:
        await self._call(
            "POST",
            path,
            _nothing,
            directory=directory,
            body=body or {},
            limit_s=limit_s,
            extensions=extensions,
        )

    async def _call(
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
    message = text(child(json, "data"), "message") or text(json, "message")
    gone = response.status_code == HTTPStatus.NOT_FOUND and name == "NotFoundError"
    refusal = SessionGone if gone and path.startswith("/session/") else OpenCodeError
    return refusal(response.status_code, path, name=name, message=message)


def _path(*names: str) -> str:
    return "/" + "/".join(quote(name, safe="") for name in names)


def _of(session: str, *names: str) -> str:
    return _path("session", session, *names)


def _model_id(model: str) -> dict[str, str]:
    """Split ``provider/model``; the model's own name may hold slashes."""
    provider, _, name = model.partition("/")
    return {"providerID": provider, "modelID": name}


def _nothing(_: object) -> None:
    """Read nothing: that there was an answer says all."""


def _object(value: object) -> Json:
    if not isinstance(value, dict):
        raise ValueError("no object")  # noqa: TRY004  # the answer is wrong, not our call
    return value


def _one(parse: Callable[[Json], _T]) -> Callable[[object], _T]:
    return lambda value: parse(_object(value))


def _each(parse: Callable[[Json], _T]) -> Callable[[object], list[_T]]:
    def read(value: object) -> list[_T]:
        if not isinstance(value, list):
            raise ValueError("no list")  # noqa: TRY004  # the answer is wrong, not our call
        return [parse(_object(item)) for item in value]

    return read


def _statuses(value: object) -> dict[str, Status]:
    return {session: Status.parse(as_json(status)) for session, status in _object(value).items()}


def _models(value: object) -> tuple[str, ...]:
    providers = (as_json(item) for item in items(_object(value), "providers"))
    return tuple(f"{need(p, 'id')}/{model}" for p in providers for model in child(p, "models"))


def _default_models(value: object) -> dict[str, str]:
    default = child(_object(value), "default")
    return {provider: text(default, provider) for provider in default}
