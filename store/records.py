"""Rows of the store as frozen values. Times are Unix milliseconds."""

from dataclasses import dataclass, field
from typing import Literal

TurnState = Literal["queued", "running", "done", "failed", "stopped", "dropped"]
TurnKind = Literal["prompt", "command"]
InboundKind = Literal["prompt", "command", "refused", "event"]
DeliveryState = Literal["due", "sending", "sent", "failed", "unknown"]
AskKind = Literal["permission", "question"]
AskState = Literal["open", "answered", "expired", "gone"]
ChangeKind = Literal["added", "modified", "deleted"]
AttachmentKind = Literal["image", "file", "video", "voice"]
AttachmentState = Literal["due", "kept", "failed"]
OPEN_STATES: tuple[TurnState, ...] = ("queued", "running")
OWED_STATES: tuple[DeliveryState, ...] = ("due", "sending")  # somebody will bring it yet
CALLBACK = "callback"  # the channel of whatever names none


@dataclass(frozen=True, slots=True)
class ChatRecord:
    """A chat and what was chosen in it; empty text = as the settings say."""

    key: str
    platform: str
    kind: Literal["direct", "group"]
    id: str
    member: str
    epoch: int
    language: str
    last_language: str
    detail: str
    agent: str
    model: str
    created_at: int
    contact_at: int


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """The OpenCode session of one epoch of a chat; ``session`` is empty until it is opened."""

    chat: str
    epoch: int
    session: str
    title: str
    directory: str
    opened_at: int


@dataclass(frozen=True, slots=True)
class InboundRecord:
    """What a platform sent and we acknowledged, with the bubble that it got."""

    message: str
    chat: str
    sender: str
    kind: InboundKind
    name: str
    body: str
    stream: str | None
    shown: str
    finished: bool
    reply_url: str
    reply_url_state: Literal["none", "fresh", "used"]
    received_at: int
    channel: str
    handle: str


@dataclass(frozen=True, slots=True)
class TurnRecord:
    """One prompt and all that OpenCode does until it is over; see ``migrations/0001_first.sql``."""

    n: int
    chat: str
    epoch: int
    message: str
    sender: str
    kind: TurnKind
    text: str
    quote: str
    attachments: str
    language: Literal["zh", "en"]
    forced: bool
    bubble: bool
    retry_of: int | None
    state: TurnState
    outcome: str
    reason: str
    stopped_by: str
    session: str
    directory: str
    prompt: str
    prompt_state: Literal["none", "sending", "accepted"]
    prompts: int
    agent: str
    model: str
    answer: str
    footer: str
    sync_before: int
    sync_after: int
    created_at: int
    started_at: int | None
    ended_at: int | None
    owner: str
    fence: int
    lease_until: int
    stored_at: int
    channel: str
    not_before: int


@dataclass(frozen=True, slots=True)
class EdgeRecord:
    """One step in the life of a turn; ``at`` is the database's clock, ``facts`` a JSON object."""

    turn: int
    edge: str
    fence: int
    facts: str
    at: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """A final answer, a notice or a file on its way to a chat. ``turn`` is None but for an answer.

    ``source`` is the message whose address it was last posted to; while it is ``sending``, a
    ``cause`` says that the one repeat to that address has been begun. ``told``: the chat
    knows that it is in doubt, or that it failed. ``file`` is the path of a file in the workspace of
    the turn that answers ``message``; its ``body`` is for a channel that can bring words alone.
    """

    id: int
    chat: str
    turn: int | None
    message: str
    body: str
    footer: str
    more: str
    state: DeliveryState
    via: str
    cause: str
    created_at: int
    changed_at: int
    source: str
    attempts: int
    refusals: int
    next_at: int
    told: bool
    channel: str
    file: str


@dataclass(frozen=True, slots=True)
class AttachmentRecord:
    """A medium that came with a message; see ``migrations/0004_attachments.sql``."""

    id: int
    message: str
    source: str
    ordinal: int
    channel: str
    kind: AttachmentKind
    url: str = field(repr=False)
    key: str = field(repr=False)
    name: str
    mime: str
    size: int
    blob: str
    path: str
    state: AttachmentState
    cause: str
    received_at: int


@dataclass(frozen=True, slots=True)
class AskRecord:
    """A permission or question of OpenCode that waits, or waited, for a person."""

    id: str
    code: str
    chat: str
    turn: int
    session: str
    directory: str
    kind: AskKind
    body: str
    state: AskState
    decision: str
    decided_by: str
    asked_at: int
    expires_at: int | None
    decided_at: int | None


@dataclass(frozen=True, slots=True)
class FileVersion:
    """What a path of a workspace was from a sync on; ``size`` is -1 when it was gone."""

    path: str
    sync: int
    blob: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file that a turn changed; ``added`` and ``removed`` count lines, None for no text."""

    turn: int
    path: str
    kind: ChangeKind
    blob: str
    before: str
    size: int
    added: int | None
    removed: int | None


@dataclass(frozen=True, slots=True)
class NewChat:
    """Where a message came from; ``last_language`` is empty when the message does not show it."""

    key: str
    platform: str
    kind: Literal["direct", "group"]
    id: str
    member: str
    last_language: str
    at: int


@dataclass(frozen=True, slots=True)
class NewInbound:
    """An inbound message or event that is to be kept, with the bubble that it gets.

    ``stream`` is None, and ``chat`` may be empty, for an event.
    """

    message: str
    chat: str
    sender: str
    kind: InboundKind
    name: str
    body: str
    stream: str | None
    shown: str
    finished: bool
    reply_url: str
    received_at: int
    channel: str = CALLBACK
    handle: str = ""

    def kept(self) -> InboundRecord:
        """Return the row that this becomes."""
        return InboundRecord(
            message=self.message,
            chat=self.chat,
            sender=self.sender,
            kind=self.kind,
            name=self.name,
            body=self.body,
            stream=self.stream,
            shown=self.shown,
            finished=self.finished,
            reply_url=self.reply_url,
            reply_url_state="fresh" if self.reply_url else "none",
            received_at=self.received_at,
            channel=self.channel,
            handle=self.handle,
        )


@dataclass(frozen=True, slots=True)
class NewAttachment:
    """A medium that is to be fetched from ``url``; ``key`` decrypts it where it has its own."""

    kind: AttachmentKind
    channel: str
    url: str = field(repr=False)
    key: str = field(repr=False)
    name: str
    at: int


@dataclass(frozen=True, slots=True)
class NewTurn:
    """A turn that is to wait in its chat's lane; it takes the epoch of its chat.

    ``attachments`` says in JSON what came with it, ``media`` is what is to be fetched;
    ``joins``: it takes over files that its sender sent alone before.
    """

    message: str
    chat: str
    sender: str
    kind: TurnKind
    text: str
    quote: str
    attachments: str
    language: Literal["zh", "en"]
    forced: bool
    bubble: bool
    retry_of: int | None
    created_at: int
    channel: str = CALLBACK
    not_before: int = 0
    media: tuple[NewAttachment, ...] = ()
    joins: bool = False

    def queued(self, n: int, epoch: int, stored_at: int) -> TurnRecord:
        """Return the row that this becomes, with what the database adds to it."""
        return TurnRecord(
            n=n,
            chat=self.chat,
            epoch=epoch,
            message=self.message,
            sender=self.sender,
            kind=self.kind,
            text=self.text,
            quote=self.quote,
            attachments=self.attachments,
            language=self.language,
            forced=self.forced,
            bubble=self.bubble,
            retry_of=self.retry_of,
            state="queued",
            outcome="",
            reason="",
            stopped_by="",
            session="",
            directory="",
            prompt="",
            prompt_state="none",
            prompts=0,
            agent="",
            model="",
            answer="",
            footer="",
            sync_before=0,
            sync_after=0,
            created_at=self.created_at,
            started_at=None,
            ended_at=None,
            owner="",
            fence=0,
            lease_until=0,
            stored_at=stored_at,
            channel=self.channel,
            not_before=self.not_before,
        )


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """Something that must reach a chat; ``turn`` is None for a notice or a ``file``."""

    chat: str
    turn: int | None
    message: str
    body: str
    footer: str
    more: str
    at: int
    file: str = ""


@dataclass(frozen=True, slots=True)
class NewAsk:
    """A request of OpenCode that is to wait for a person."""

    id: str
    code: str
    chat: str
    turn: int
    session: str
    directory: str
    kind: AskKind
    body: str
    asked_at: int
    expires_at: int | None


@dataclass(frozen=True, slots=True)
class Accepted:
    """What an inbound message became; ``repeated``: it was kept before, by an earlier call.

    ``joined`` are turns of files that were sent alone, and go with this one now.
    """

    repeated: bool
    inbound: InboundRecord
    turn: TurnRecord | None
    joined: tuple[TurnRecord, ...] = ()
