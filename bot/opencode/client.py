"""The calls of OpenCode's HTTP API that we use."""

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Literal, Self, TypeVar
from urllib.parse import quote

from bot.opencode.fields import Json, as_json, child, items, need, text
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
from bot.opencode.transport import Directory, Transport, nothing
from store.crashpoints import on_sent

ANSWER_LIMIT_S = 30.0
HOMES = 4096  # sessions whose folder is remembered
COMMAND_LIMIT_S = 24 * 3600.0  # one of OpenCode's commands is answered when its turn is over

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
        self._transport = Transport(url, username, password, timeout_s)
        self._homes: dict[str, str] = {}  # session -> its folder, the newest last

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
        await self._transport.close()

    async def health(self) -> str:
        """Return the server's version."""
        return await self._transport.get(
            "/global/health", lambda value: need(as_json(value), "version")
        )

    async def config(self, directory: Directory) -> dict[str, object]:
        """Return the settings in force for a directory. They hold secrets: never show them."""
        return await self._transport.get("/config", lambda value: dict(_object(value)), directory)

    async def path(self, directory: Directory) -> Paths:
        """Return where the server works for a directory, and which repository it sees there."""
        return await self._transport.get("/path", _one(Paths.parse), directory)

    async def agents(self, directory: Directory) -> list[Agent]:
        """Return the agents, hidden ones and sub-agents included."""
        return await self._transport.get("/agent", _each(Agent.parse), directory)

    async def commands(self, directory: Directory) -> list[Command]:
        """Return OpenCode's own commands."""
        return await self._transport.get("/command", _each(Command.parse), directory)

    async def models(self, directory: Directory) -> tuple[str, ...]:
        """Return every model as ``provider/model``."""
        return await self._transport.get("/config/providers", _models, directory)

    async def default_models(self, directory: Directory) -> dict[str, str]:
        """Return the model that each provider would take, by provider."""
        return await self._transport.get("/config/providers", _default_models, directory)

    async def dispose(self) -> None:
        """Abort every turn and put all state away, as before a stop. Sessions stay."""
        await self._transport.post("/global/dispose")

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
        opened = await self._transport.call(
            "POST", "/session", _one(Session.parse), directory=directory, body=body
        )
        self._at_home(opened)
        return opened

    async def session(self, session: str) -> Session:
        """Return a session."""
        found = await self._transport.get(_of(session), _one(Session.parse), self._home(session))
        self._at_home(found)
        return found

    async def sessions(self, directory: Directory, limit: int) -> list[Session]:
        """Return the newest sessions of exactly this directory, without sub-agents'."""
        params = {"limit": str(limit), "roots": "true"}
        return await self._transport.get("/session", _each(Session.parse), directory, params)

    async def children(self, session: str) -> list[Session]:
        """Return the sessions of a session's sub-agents."""
        path, read = _of(session, "children"), _each(Session.parse)
        return await self._transport.get(path, read, self._home(session))

    async def rename(self, session: str, title: str) -> Session:
        """Give a session another title."""
        return await self._transport.call(
            "PATCH",
            _of(session),
            _one(Session.parse),
            directory=self._home(session),
            body={"title": title},
        )

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
        await self._transport.post(
            _of(session, "prompt_async"),
            body,
            directory=self._home(session),
            extensions=on_sent("C09"),
        )

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
        await self._transport.post(
            _of(session, "command"),
            body,
            directory=self._home(session),
            limit_s=COMMAND_LIMIT_S,
        )

    async def abort(self, session: str) -> None:
        """Stop what runs in a session; returns when the server has cleaned up after it."""
        await self._transport.post(_of(session, "abort"), directory=self._home(session))

    async def status(self, directory: Directory) -> dict[str, Status]:
        """Return what the directory's sessions are doing; idle ones are absent."""
        return await self._transport.get("/session/status", _statuses, directory)

    async def messages(self, session: str, limit: int | None = None) -> list[Message]:
        """Return a session's messages, oldest first; with ``limit`` only the newest."""
        params = {} if limit is None else {"limit": str(limit)}
        return await self._transport.get(
            _of(session, "message"), _each(Message.parse), self._home(session), params
        )

    async def delete_message(self, session: str, message: str) -> None:
        """Take a message out of a session; the server refuses (409) while it is busy.

        In a repository a prompt that has just ended may come back, without its parts.
        """
        await self._transport.call(
            "DELETE", _of(session, "message", message), nothing, directory=self._home(session)
        )

    async def todos(self, session: str) -> list[Todo]:
        """Return the agent's own list."""
        return await self._transport.get(
            _of(session, "todo"), _each(Todo.parse), self._home(session)
        )

    async def diff(self, session: str, message: str) -> list[FileDiff]:
        """Return what a prompt changed, where OpenCode keeps snapshots (git); late by 60 ms."""
        params = {"messageID": message}
        return await self._transport.get(
            _of(session, "diff"), _each(FileDiff.parse), self._home(session), params
        )

    async def permissions(self, directory: Directory) -> list[PermissionRequest]:
        """Return the permissions that are waited for, ghosts of aborted turns included."""
        return await self._transport.get("/permission", _each(PermissionRequest.parse), directory)

    async def reply_permission(
        self, directory: Directory, request: str, reply: Reply, message: str | None = None
    ) -> None:
        """Decide a permission. A rejection without a message ends the turn."""
        body = {"reply": reply} if message is None else {"reply": reply, "message": message}
        await self._transport.post(_path("permission", request, "reply"), body, directory=directory)

    async def questions(self, directory: Directory) -> list[QuestionRequest]:
        """Return the questions that are waited for, ghosts of aborted turns included."""
        return await self._transport.get("/question", _each(QuestionRequest.parse), directory)

    async def reply_question(
        self, directory: Directory, request: str, answers: Sequence[Sequence[str]]
    ) -> None:
        """Answer a request: for each of its questions the chosen labels, or own words."""
        path = _path("question", request, "reply")
        await self._transport.post(path, {"answers": answers}, directory=directory)

    async def reject_question(self, directory: Directory, request: str) -> None:
        """Dismiss a request; this ends the turn."""
        await self._transport.post(_path("question", request, "reject"), directory=directory)

    def _at_home(self, session: Session) -> None:
        """Remember where a session works.

        A release before 1.15 runs its prompts where the call says, not where it was opened.
        """
        if session.directory:
            self._homes.pop(session.id, None)
            self._homes[session.id] = session.directory
        if len(self._homes) > HOMES:
            del self._homes[next(iter(self._homes))]

    def _home(self, session: str) -> str | None:
        return self._homes.get(session)


def _path(*names: str) -> str:
    return "/" + "/".join(quote(name, safe="") for name in names)


def _of(session: str, *names: str) -> str:
    return _path("session", session, *names)


def _model_id(model: str) -> dict[str, str]:
    """Split ``provider/model``; the model's own name may hold slashes."""
    provider, _, name = model.partition("/")
    return {"providerID": provider, "modelID": name}


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
