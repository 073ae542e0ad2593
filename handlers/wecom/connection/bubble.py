"""One visible reply on the long connection: one stream after the other, under one request id."""

import asyncio
from dataclasses import dataclass, field

from bot.texts import Language
from bot.texts import delivery as texts
from handlers.wecom.bubbles import stream_of
from handlers.wecom.connection.speaker import Conversation
from handlers.wecom.markdown import compose, split, visible
from store.records import ChatRecord, InboundRecord

ID_CHARS = 48  # of a further stream's id; the time of its opening follows
NOWHERE = Conversation("", group=False)


@dataclass(slots=True, eq=False)
class Bubble:
    """The reply to one message. Whoever sends a frame of it holds its ``lock``.

    ``stream`` is the open one, or empty; ``opened_at`` is when its first frame left, 0 before.
    ``last`` is its last word, once there is one, and ``owed`` tells whether somebody waits for
    just that; ``finished``: WeCom has it, or never will. ``final`` is the delivery that is to be
    the last word, of the turn ``turn``. ``dead``: no stream can be opened here any more.
    ``doubted``: a last word left us, and nobody said that it arrived. ``parting`` are the words
    with which the open stream is being left, which may stand there already. ``lapsed``: the last run
    left a stream open, which is too old by now. ``brought``: a frame with the prefix has left us.
    """

    message: str
    received_at: int
    language: Language
    stream: str = ""
    handle: str = ""
    chat: str = ""
    sender: str = ""
    conversation: Conversation = NOWHERE
    prefix: str = ""
    text: str = ""
    shown: str | None = None
    last: str | None = None
    parting: str = ""
    owed: bool = False
    final: int | None = None
    turn: int | None = None
    opened_at: int = 0
    changed_at: int = 0
    not_before: float = 0.0
    failures: int = 0
    loaded: bool = False
    finished: bool = False
    dead: bool = False
    doubted: bool = False
    lapsed: bool = False
    brought: bool = True
    pumping: bool = False
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def content(self) -> str:
        """What the stream is to show: fitted, and never blank."""
        text = self.text if visible(self.text) else texts.PREPARING.say(self.language)
        return compose(self.prefix, text)

    @property
    def live(self) -> bool:
        """Whether updates are shown in it."""
        return self.loaded and not self.finished and not self.dead

    @property
    def ends(self) -> bool:
        """Whether its last word is still to be said."""
        return self.live and self.last is not None

    @property
    def changes(self) -> bool:
        """Whether it is to show something new that is not its last word."""
        going = self.live and self.last is None and self.final is None
        return going and visible(self.text) and self.content != self.shown

    @property
    def open(self) -> bool:
        """Whether a stream of it stands unfinished in WeCom."""
        return bool(self.stream) and self.opened_at > 0 and self.live

    def begin(self, stream: str) -> None:
        """Let a new stream take the place of the last one."""
        self.stream, self.opened_at, self.shown = stream, 0, None
        self.parting, self.doubted = "", False

    def wake(self) -> None:
        """Let whoever sends its frames look again."""
        self.woken.set()


def further(key: bytes, message: str, at: int) -> str:
    """Return the id of a further stream of a message, which tells when it was opened."""
    return f"{stream_of(key, f'{message} {at}')[:ID_CHARS]}-{at}"


def is_further(stream: str) -> bool:
    """Tell whether a stream is not its message's first one."""
    return "-" in stream


def opened_at(stream: str, otherwise: int) -> int:
    """Return when a stream was opened, as its id tells."""
    return int(stream.rpartition("-")[2]) if is_further(stream) else otherwise


def take_over(
    bubble: Bubble, row: InboundRecord, chat: ChatRecord, *, was_open: bool, now: int, life_ms: int
) -> None:
    """Go on with what the store has of a bubble; ``was_open``: its first stream was left open."""
    bubble.handle, bubble.chat, bubble.sender = row.handle, row.chat, row.sender
    bubble.conversation = Conversation(chat.id, group=chat.kind == "group")
    # What had waited for this contact counts as brought: if it was not, it stands above the answer.
    bubble.prefix = "" if row.finished else split(row.shown)[0]
    stream = row.stream or ""
    since = opened_at(stream, row.received_at)
    if row.finished or not (was_open or is_further(stream)):
        return
    if now - since < life_ms:
        bubble.stream, bubble.opened_at = stream, since
        left = split(row.shown)[1].startswith((texts.HANDED_OVER.zh, texts.HANDED_OVER.en))
        bubble.parting = row.shown if left else ""
    else:
        bubble.lapsed = True
