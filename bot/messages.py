"""What travels between an edge and the engine: chats, messages, replies."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from bot.cards import Click
from bot.texts import Language

ChatKind = Literal["direct", "group"]
CALLBACK = "callback"  # the channel of whatever names none
AttachmentKind = Literal["image", "file", "video", "voice"]


@dataclass(frozen=True, slots=True)
class Chat:
    """A direct or group conversation on one platform.

    ``member`` is set where each person of a group has a session of their own
    (``chat.group_session = "per_user"``), and empty everywhere else.
    """

    platform: str
    kind: ChatKind
    id: str
    member: str = ""

    @property
    def key(self) -> str:
        """The name of the chat in the store, the lanes and the logs."""
        key = f"{self.platform}:{self.kind}:{self.id}"
        return f"{key}:{self.member}" if self.member else key

    @property
    def is_group(self) -> bool:
        """Whether more than one person reads along."""
        return self.kind == "group"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A medium that came with a message, not fetched yet.

    ``url`` is where it is for a few minutes (or the id by which the platform knows it), ``key`` what decrypts it if the platform gave it one
    of its own; ``name`` is empty where only the download tells it.
    """

    kind: AttachmentKind
    url: str = field(repr=False)
    name: str = ""
    key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """What a person sent. ``text`` has no mention in front; ``received_at`` is Unix milliseconds.

    ``quote`` is the text of the message that the person quoted, empty without one.
    ``reply_url`` is a single-use address for one late reply, empty where there is none.
    ``channel`` is the way of the platform that brought it, and that its answer leaves by;
    ``handle`` is what an answer must name there, empty where nothing is named.
    """

    id: str
    chat: Chat
    sender: str
    text: str
    received_at: int
    attachments: tuple[Attachment, ...] = ()
    quote: str = ""
    reply_url: str = ""
    channel: str = CALLBACK
    handle: str = ""


MediumKind = Literal["image", "file"]


@dataclass(frozen=True, slots=True)
class Medium:
    """A file that the bot sends; ``kind`` is how it is meant to be shown."""

    name: str
    kind: MediumKind
    content: bytes


@dataclass(frozen=True, slots=True)
class Sendable:
    """A file of a workspace that may be sent, as it was when somebody looked; ``size`` in bytes.

    ``read`` takes it when its turn to leave comes; it raises ``UserError`` when it is gone by then.
    """

    path: str
    kind: MediumKind
    size: int
    read: Callable[[], Awaitable[Medium]] = field(repr=False, compare=False)


Sent = Literal["sent", "unsent", "refused", "doubtful"]


@dataclass(frozen=True, slots=True)
class PlatformEvent:
    """Something that happened on the platform and is no message; ``body`` is it as it came.

    ``click`` is set when somebody pressed a card; ``reply_url`` and ``channel`` are as those of a
    message.
    """

    id: str
    kind: str
    chat: Chat | None
    sender: str
    body: str
    received_at: int
    reply_url: str = ""
    click: Click | None = None
    channel: str = CALLBACK


@dataclass(frozen=True, slots=True)
class Answer:
    """A final answer as the engine hands it to a platform, of any length.

    A platform that must cut ``body`` to its limit shows ``more`` (how to read the
    rest) behind the cut, and ``footer`` last in every case. ``media`` are files that are
    shown in it.
    """

    body: str
    footer: str = ""
    more: str = ""
    media: tuple[Sendable, ...] = ()


class ReplyStream(Protocol):
    """One visible reply that grows until it is finished."""

    def update(self, markdown: str) -> None:
        """Show the turn so far; may be dropped, since the next update supersedes it.

        Called at least every 30 s while a turn runs, so that deadlines are seen.
        """

    async def notify(self, markdown: str) -> None:
        """Say what must not wait for the end (an approval that is needed).

        Does nothing while the bubble is open: the updates show it there.
        """

    @property
    def apart(self) -> bool:
        """Whether a file is a message of its own, and so a delivery; else it is part of the answer."""

    def takes(self, media: Sequence[Sendable]) -> bool:
        """Tell whether all of these can come with the answer as files, as far as is known by now."""

    async def finish(self, answer: Answer) -> None:
        """Bring the turn's final answer, which the store keeps as a delivery, to the chat.

        Returns once it was brought there, or once it has to wait for the chat's next
        contact; ``store.deliveries`` says which.
        """


class Replies(Protocol):
    """How one channel of a platform lets the engine answer."""

    def reply_to(
        self,
        turn: int,
        message: str,
        chat: str,
        *,
        bubble: bool,
        received_at: int,
        language: Language,
    ) -> ReplyStream:
        """Return the reply stream of a turn; ``bubble``: its message's bubble was left open for it."""

    async def deliver(self, delivery: int) -> None:
        """Bring a kept delivery (its id) by whatever way is open now; it stays due without one."""


@runtime_checkable
class SendsMedia(Protocol):
    """A channel that can send a file as a message of its own."""

    async def send_medium(self, chat: str, medium: Medium) -> Sent:
        """Send a file to a chat (its key); say what became of it.

        ``unsent``: it never left, and may another time; ``refused``: WeCom did not take it;
        ``doubtful``: nobody can tell. Raises ``StoreError``.
        """


class Outlets:
    """The channels that are on, by their names; an answer leaves by that of its question."""

    def __init__(self) -> None:
        self._replies: dict[str, Replies] = {}

    def put(self, channel: str, replies: Replies) -> None:
        """Take a channel in; the first one stands in for those that are off."""
        self._replies[channel] = replies

    @property
    def channels(self) -> list[str]:
        """The channels that are on."""
        return list(self._replies)

    def of(self, channel: str) -> Replies:
        """Return how to answer what a channel brought, or whoever stands in for it."""
        return self._replies.get(channel) or next(iter(self._replies.values()))
