"""What OpenCode's event stream says, as values, and how they are read."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from bot.opencode.fields import Json, as_json, child, decoded, items, need, text
from bot.opencode.model import (
    Message,
    Part,
    PermissionRequest,
    QuestionRequest,
    ServerError,
    Session,
    Status,
    Todo,
    parse_part,
    parse_todos,
)


@dataclass(frozen=True, slots=True)
class Connected:
    """The subscription stands."""

    session: ClassVar[str] = ""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The server lives; it says so every ten seconds."""

    session: ClassVar[str] = ""


@dataclass(frozen=True, slots=True)
class Disposed:
    """The server put its state of a directory away (of all, when empty), turns and all."""

    directory: str
    session: ClassVar[str] = ""


@dataclass(frozen=True, slots=True)
class Other:
    """An event that we have no use for."""

    type: str
    session: str = ""


@dataclass(frozen=True, slots=True)
class SessionCreated:
    """A session was opened, by us or by an agent for a sub-agent."""

    info: Session

    @property
    def session(self) -> str:
        """The id of the session."""
        return self.info.id


@dataclass(frozen=True, slots=True)
class SessionRetitled:
    """A session changed; its title is the one thing of it that we follow."""

    session: str
    title: str


@dataclass(frozen=True, slots=True)
class SessionDeleted:
    """A session is gone."""

    session: str


@dataclass(frozen=True, slots=True)
class StatusChanged:
    """A session began, retries, or rests. Resting does not mean that a turn is over."""

    session: str
    status: Status


@dataclass(frozen=True, slots=True)
class SessionIdle:
    """The twin of an idle status; comes early, twice or never, too."""

    session: str


@dataclass(frozen=True, slots=True)
class SessionFailed:
    """Something went wrong; some failures show nowhere else."""

    session: str
    error: ServerError


@dataclass(frozen=True, slots=True)
class Compacted:
    """The session had grown too long and was summed up."""

    session: str


@dataclass(frozen=True, slots=True)
class MessageUpdated:
    """A message began, changed or ended; ``message`` comes without its parts."""

    session: str
    message: Message


@dataclass(frozen=True, slots=True)
class MessageRemoved:
    """A message is gone."""

    session: str
    message: str


@dataclass(frozen=True, slots=True)
class PartUpdated:
    """A part as it is now; ``delta`` (old releases) is what was added to its text."""

    session: str
    message: str
    part: Part
    delta: str | None = None


@dataclass(frozen=True, slots=True)
class PartDelta:
    """A piece more of a part's text or reasoning (``field`` is "text" for both)."""

    session: str
    message: str
    part: str
    field: str
    delta: str


@dataclass(frozen=True, slots=True)
class PartRemoved:
    """A part is gone."""

    session: str
    message: str
    part: str


@dataclass(frozen=True, slots=True)
class TodosUpdated:
    """The agent's list changed."""

    session: str
    todos: tuple[Todo, ...]


@dataclass(frozen=True, slots=True)
class PermissionAsked:
    """The agent waits for a permission."""

    request: PermissionRequest

    @property
    def session(self) -> str:
        """The session that waits."""
        return self.request.session


@dataclass(frozen=True, slots=True)
class PermissionReplied:
    """A permission was given or refused, by whomever."""

    session: str
    request: str


@dataclass(frozen=True, slots=True)
class QuestionAsked:
    """The agent waits for answers."""

    request: QuestionRequest

    @property
    def session(self) -> str:
        """The session that waits."""
        return self.request.session


@dataclass(frozen=True, slots=True)
class QuestionClosed:
    """A question was answered or dismissed, by whomever."""

    session: str
    request: str


Event = (
    Connected
    | Heartbeat
    | Disposed
    | Other
    | SessionCreated
    | SessionRetitled
    | SessionDeleted
    | StatusChanged
    | SessionIdle
    | SessionFailed
    | Compacted
    | MessageUpdated
    | MessageRemoved
    | PartUpdated
    | PartDelta
    | PartRemoved
    | TodosUpdated
    | PermissionAsked
    | PermissionReplied
    | QuestionAsked
    | QuestionClosed
)


def is_duplicate(frame: bytes) -> bool:
    """Tell, without decoding, whether ``/global/event`` says a change a second time (``sync``).

    The first object inside the frame is then its payload, and that begins with its type.
    """
    at = frame.find(b"{", 1)
    return frame.startswith(b'{"type":"sync"', at) and frame.endswith(b'"payload":', 0, at)


def parse(frame: bytes) -> Event | None:
    """Read the data of a frame; None for a duplicate, ValueError for what nobody can read.

    Takes the frames of ``/global/event`` and the bare ones of ``/event``.
    """
    if is_duplicate(frame):
        return None
    outer = as_json(decoded(frame))
    json = child(outer, "payload") or outer
    kind = need(json, "type")
    if kind == "sync":
        return None
    properties = child(json, "properties")
    build = _EVENTS.get(kind)
    if build is None:
        return Other(kind, text(properties, "sessionID"))
    return build(properties)


def _delta(json: Json) -> Event:
    return PartDelta(
        need(json, "sessionID"),
        need(json, "messageID"),
        need(json, "partID"),
        text(json, "field"),
        text(json, "delta"),
    )


def _part(json: Json) -> Event:
    part = child(json, "part")
    delta = json.get("delta")
    return PartUpdated(
        session=need(part, "sessionID"),
        message=need(part, "messageID"),
        part=parse_part(part),
        delta=delta if isinstance(delta, str) else None,
    )


def _message(json: Json) -> Event:
    message = Message.parse_info(child(json, "info"))
    return MessageUpdated(message.session, message)


def _status(json: Json) -> Event:
    return StatusChanged(need(json, "sessionID"), Status.parse(child(json, "status")))


def _failed(json: Json) -> Event:
    # A failure before a session is known has none.
    return SessionFailed(text(json, "sessionID"), ServerError.parse(child(json, "error")))


def _retitled(json: Json) -> Event:
    session = child(json, "info")
    return SessionRetitled(need(session, "id"), text(session, "title"))


def _deleted(json: Json) -> Event:
    return SessionDeleted(need(child(json, "info"), "id"))


def _permission_replied(json: Json) -> Event:
    request = text(json, "requestID") or need(json, "permissionID")
    return PermissionReplied(need(json, "sessionID"), request)


def _question_closed(json: Json) -> Event:
    return QuestionClosed(need(json, "sessionID"), need(json, "requestID"))


def _removed_part(json: Json) -> Event:
    return PartRemoved(need(json, "sessionID"), need(json, "messageID"), need(json, "partID"))


_EVENTS: dict[str, Callable[[Json], Event]] = {
    "message.part.delta": _delta,
    "message.part.updated": _part,
    "message.part.removed": _removed_part,
    "message.updated": _message,
    "message.removed": lambda json: MessageRemoved(
        need(json, "sessionID"), need(json, "messageID")
    ),
    "session.status": _status,
    "session.idle": lambda json: SessionIdle(need(json, "sessionID")),
    "session.error": _failed,
    "session.created": lambda json: SessionCreated(Session.parse(child(json, "info"))),
    "session.updated": _retitled,
    "session.deleted": _deleted,
    "session.compacted": lambda json: Compacted(need(json, "sessionID")),
    "todo.updated": lambda json: TodosUpdated(
        need(json, "sessionID"), parse_todos(items(json, "todos"))
    ),
    "permission.asked": lambda json: PermissionAsked(PermissionRequest.parse(json)),
    "permission.updated": lambda json: PermissionAsked(PermissionRequest.parse(json)),
    "permission.replied": _permission_replied,
    "question.asked": lambda json: QuestionAsked(QuestionRequest.parse(json)),
    "question.replied": _question_closed,
    "question.rejected": _question_closed,
    "server.connected": lambda _: Connected(),
    "server.heartbeat": lambda _: Heartbeat(),
    "server.instance.disposed": lambda json: Disposed(need(json, "directory")),
    "global.disposed": lambda _: Disposed(""),
}
