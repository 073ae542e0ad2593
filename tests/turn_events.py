"""Builders of what OpenCode says about a turn, as events and as the messages that it keeps."""

from bot.opencode.events import (
    MessageUpdated,
    PartDelta,
    PartUpdated,
    SessionCreated,
    SessionIdle,
    StatusChanged,
)
from bot.opencode.model import (
    Message,
    ReasoningPart,
    ServerError,
    Session,
    Status,
    TextPart,
    ToolPart,
)
from bot.summary import begin, fold

SESSION = "ses_1"
PROMPT = "msg_100"
ABORTED = ServerError("MessageAbortedError", "Aborted")


def user(id_=PROMPT, *parts, at=100, session=SESSION):
    return Message(id_, session, "user", created_at=at, parts=parts)


def step(id_="msg_101", *parts, parent=PROMPT, at=101, done=True, finish="stop", **more):
    return Message(
        id_,
        more.pop("session", SESSION),
        "assistant",
        parent=parent,
        created_at=at,
        completed_at=at + 5 if done else None,
        finish=finish if done else None,
        parts=parts,
        **more,
    )


def running(id_="msg_101", **more):
    return step(id_, done=False, **more)


def words(text, id_="prt_1", *, done=True, synthetic=False):
    return TextPart(id_, text, done, synthetic)


def thought(text="hmm", id_="prt_0", *, done=True):
    return ReasoningPart(id_, text, done)


def tool(name="bash", id_="prt_2", status="completed", **more):
    return ToolPart(id_, f"call_{id_}", name, status, **more)


def bash(command, id_="prt_2", status="running", started_at=1_000, **more):
    given = {"command": command}
    return tool("bash", id_, status, input=given, started_at=started_at, **more)


def updated(message):
    return MessageUpdated(message.session, message)


def part(value, message="msg_101", session=SESSION, delta=None):
    return PartUpdated(session, message, value, delta)


def delta(text, id_="prt_1", message="msg_101", session=SESSION, field="text"):
    return PartDelta(session, message, id_, field, text)


def busy(session=SESSION):
    return StatusChanged(session, Status("busy"))


def idle(session=SESSION):
    return SessionIdle(session)


def child(id_="ses_2", parent=SESSION, title="look around (@general subagent)"):
    return SessionCreated(Session(id_, title, parent=parent))


def begun(at=0):
    return begin(SESSION, PROMPT, at)


def folded(*events, at=1, summary=None):
    summary = summary or begun()
    for event in events:
        summary = fold(summary, event, at)
    return summary


def answering(*parts, at=1):
    """The summary of a turn whose first step has these parts and goes on."""
    return folded(busy(), updated(running()), *(part(p) for p in parts), at=at)


def streamed(id_, pieces, message="msg_101"):
    """A text part from its beginning, piece by piece."""
    yield part(words("", id_, done=False), message)
    yield from (delta(piece, id_, message) for piece in pieces)
