"""What each open bubble shows, in memory; flushed to the store twice a second."""

import asyncio
import contextlib
import hmac
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import structlog

from bot.cards import Card
from bot.clock import Clock
from bot.errors import StoreError
from bot.messages import Answer, InboundMessage, Medium
from bot.texts import Language, language_of
from bot.texts import delivery as texts
from handlers.platform import Opening
from handlers.wecom.markdown import answer_text, compose, head_of, split, visible
from handlers.wecom.timing import Timing
from handlers.wecom.wire import STREAM_BYTES
from store import Store
from store.records import InboundRecord

log = structlog.get_logger()

FLUSH_ROWS = 64  # of one commit, so that messages need not wait behind it
PICTURE_BYTES = 64 * 1024 * 1024  # of all bubbles; what they are sealed to is twice that
TELL_EVERY_MS = 60_000  # between two log entries of the same trouble


@dataclass(slots=True, eq=False)
class Final:
    """A final answer that waits in a bubble for WeCom's next poll.

    ``leaving``: a poll is being answered with it right now, so that the bubble is its own.
    """

    delivery: int
    turn: int | None
    leaving: bool = False
    taken: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True, eq=False)
class Bubble:
    """One visible reply. Only ``Bubbles`` changes it.

    ``loaded``: what the store has of it is known. ``finished``: it shows its last
    word. ``kept``: the store has what it shows.
    """

    stream: str
    message: str
    received_at: int
    language: Language
    polled_at: int
    changed_at: int
    sender: str = ""
    prefix: str = ""
    text: str = ""
    loaded: bool = False
    finished: bool = False
    kept: bool = True
    final: Final | None = None
    images: tuple[Medium, ...] = ()  # shown with the last word
    footer: str = ""  # of a final that shows them; the one that is kept names them as not sent
    card: Card | None = None  # below it, with the next answer to a poll
    carded: bool = False  # it had its card: WeCom takes one a message
    sealed: tuple[bool, bytes] | None = None  # the answer to a poll (finished?), until it changes
    _content: str | None = None

    @property
    def content(self) -> str:
        """What the bubble shows: fitted, and never blank."""
        if self._content is None:
            text = self.text
            if not visible(text):
                text = (texts.NOTHING if self.finished else texts.PREPARING).say(self.language)
            self._content = compose(self.prefix, text)
        return self._content

    @property
    def quiet(self) -> bool:
        """Whether a poll is answered from memory alone."""
        return self.loaded and self.final is None and (self.kept or not self.finished)

    def changed(self) -> None:
        """Forget what was made from the former content."""
        self.kept = False
        self.sealed = None
        self._content = None


class Bubbles:
    """All bubbles that somebody may still look at."""

    def __init__(self, store: Store, key: bytes, clock: Clock, timing: Timing) -> None:
        self._store = store
        self._key = key
        self._clock = clock
        self._timing = timing
        self._bubbles: dict[str, Bubble] = {}
        self._open: dict[str, Bubble] = {}
        self._open_of: Counter[str] = Counter()
        self._dirty: dict[str, Bubble] = {}
        self._forgotten_from: deque[tuple[int, str]] = deque()
        self._pictured: deque[Bubble] = deque()  # the oldest first
        self._urgent = asyncio.Event()
        self._trouble_at = 0

    def __len__(self) -> int:
        return len(self._bubbles)

    @property
    def open_count(self) -> int:
        """How many bubbles are not finished."""
        return len(self._open)

    def stream_of(self, message: str) -> str:
        """Return the bubble's id: the same for every copy of a message, whoever computes it."""
        return stream_of(self._key, message)

    @property
    def unfinished(self) -> list[Bubble]:
        """The bubbles that are not finished."""
        return list(self._open.values())

    def find(self, stream: str) -> Bubble | None:
        """Return the bubble if it is in memory."""
        return self._bubbles.get(stream)

    def open_of(self, sender: str) -> int:
        """Return how many bubbles of this person are not finished."""
        return self._open_of[sender]

    def open(self, message: InboundMessage, opening: Opening) -> Bubble:
        """Begin the bubble of a message that was just accepted.

        Its turn may have begun already and shown something: that stays.
        """
        language = language_of(opening.markdown) or "zh"
        bubble = self.expect(message.id, message.received_at, language)
        if bubble.finished:
            return bubble
        prefix, text = split(opening.markdown)
        bubble.prefix = opening.prefix or prefix
        bubble.text = bubble.text or text
        bubble.loaded = True
        self._belongs_to(bubble, message.sender)
        self._touch(bubble)
        if opening.finished:
            self.finish(bubble, bubble.text)
        if opening.images:
            self.picture(bubble, opening.images)
        return bubble

    def picture(self, bubble: Bubble, images: tuple[Medium, ...], footer: str = "") -> None:
        """Let a bubble's last word show pictures; when all hold too much, the oldest lose theirs.

        ``footer`` stands below a final that shows them.
        """
        bubble.images, bubble.footer, bubble.sealed = images, footer, None
        others = (one for one in self._pictured if one is not bubble and one.images)
        self._pictured = deque([*others, bubble])
        while sum(map(_weight, self._pictured)) > PICTURE_BYTES and self._pictured[0] is not bubble:
            oldest = self._pictured.popleft()
            oldest.images, oldest.sealed = (), None

    def expect(self, message: str, received_at: int, language: Language) -> Bubble:
        """Return the bubble of a message; one that is not in memory has to be loaded yet."""
        stream = self.stream_of(message)
        bubble = self._bubbles.get(stream)
        if bubble is None:
            now = self._clock()
            bubble = Bubble(stream, message, received_at, language, polled_at=now, changed_at=now)
            self._bubbles[stream] = bubble
            self._open[stream] = bubble
            self._open_of[bubble.sender] += 1
        bubble.language = language
        return bubble

    def restore(self, record: InboundRecord) -> Bubble:
        """Return the bubble as the store has it, joined with what memory knows already."""
        bubble = self._bubbles.get(record.stream or "")
        if bubble is None:
            language = language_of(record.shown) or "zh"
            bubble = self.expect(record.message, record.received_at, language)
        if bubble.loaded:
            return bubble
        bubble.loaded = True
        bubble.carded = bubble.carded or bool(record.shown)  # nobody kept whether it was
        if bubble.finished:
            return bubble
        self._belongs_to(bubble, record.sender)
        bubble.prefix, text = split(record.shown)
        if record.finished:
            bubble.text = text
            self._close(bubble)
            bubble.changed()
            bubble.kept = True
        elif not bubble.text:
            bubble.text = text
        return bubble

    async def load(self, bubble: Bubble) -> None:
        """Read what the store has of a bubble that was only expected."""
        if bubble.loaded:
            return
        record = await self._store.inbox.by_stream(bubble.stream)
        if record is None:
            bubble.loaded = True
            self.finish(bubble, texts.UNKNOWN_BUBBLE.say(bubble.language))
        else:
            self.restore(record)

    def show(self, bubble: Bubble, text: str) -> None:
        """Replace the turn's text; a finished bubble stays as it is."""
        if not bubble.finished and text != bubble.text:
            bubble.text = text
            self._touch(bubble)

    def attach(self, bubble: Bubble, card: Card) -> bool:
        """Put a card below an open bubble; False when it had one before."""
        if bubble.finished or bubble.carded:
            return False
        bubble.card, bubble.carded = card, True
        return True

    def finish(self, bubble: Bubble, text: str) -> None:
        """Show the last word, without pictures; a bubble that was finished stays as it is."""
        if bubble.finished:
            return
        bubble.text, bubble.images = text, ()
        bubble.final = bubble.card = None
        self._close(bubble)
        self._touch(bubble)
        self._urgent.set()

    def finish_with(self, bubble: Bubble, answer: Answer) -> None:
        """Show a final answer with its pictures, cut to the room that is left in the bubble."""
        room = STREAM_BYTES - len(head_of(bubble.prefix).encode())
        images = bubble.images
        if images:
            answer = replace(answer, footer=bubble.footer)
        self.finish(bubble, answer_text(answer, room))
        bubble.images = images

    def hand_over(self, bubble: Bubble) -> None:
        """Close a bubble that WeCom will soon stop asking for, unless its final waits in it."""
        age = self._clock() - bubble.received_at
        if bubble.finished or not bubble.loaded or age < self._timing.hand_over_ms:
            return
        if bubble.final is not None:
            if age >= self._timing.window_ms and not bubble.final.leaving:
                self.finish(bubble, ended(bubble.final.turn, bubble.language))
            return
        log.info("bubble.handed_over", message=bubble.message, age_s=age // 1000)
        words = texts.HANDED_OVER.say(bubble.language)
        self.finish(bubble, f"{words}\n\n{bubble.text}" if visible(bubble.text) else words)

    async def save(self, *bubbles: Bubble) -> bool:
        """Put what bubbles show on the disk; False when that is not possible now."""
        rows = [(one.stream, one.content, one.finished) for one in bubbles]
        contents = {one.stream: (one.content, one.finished) for one in bubbles}
        try:
            await self._store.inbox.show(rows)
        except StoreError as exc:  # full or busy: they stay dirty; a broken disk ends the process
            self._tell_trouble(exc)
            return False
        for one in bubbles:
            # A newer text may have come while this one was written.
            if contents[one.stream] == (one.content, one.finished):
                one.kept = True
                self._dirty.pop(one.stream, None)
        return True

    async def flush(self) -> None:
        """Save every bubble that changed."""
        waiting = list(self._dirty.values())
        try:
            for bubble in waiting:
                await self.load(bubble)
        except StoreError as exc:
            self._tell_trouble(exc)
            return
        for rows in _slices(waiting, FLUSH_ROWS):
            if not await self.save(*rows):
                return

    async def run(self) -> None:
        """Flush and tidy for as long as the service lives."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._timing.flush_every_s):
                    await self._urgent.wait()
            self._urgent.clear()
            for bubble in list(self._open.values()):
                self.hand_over(bubble)
            await self.flush()
            self._forget()

    def _touch(self, bubble: Bubble) -> None:
        bubble.changed()
        bubble.changed_at = self._clock()
        self._dirty[bubble.stream] = bubble

    def _close(self, bubble: Bubble) -> None:
        bubble.finished = True
        del self._open[bubble.stream]
        self._leave(bubble.sender)
        self._forgotten_from.append((self._clock() + self._timing.remember_ms, bubble.stream))

    def _belongs_to(self, bubble: Bubble, sender: str) -> None:
        self._leave(bubble.sender)
        bubble.sender = sender
        self._open_of[sender] += 1

    def _leave(self, sender: str) -> None:
        self._open_of[sender] -= 1
        if not self._open_of[sender]:
            del self._open_of[sender]

    def _forget(self) -> None:
        now = self._clock()
        while self._forgotten_from and self._forgotten_from[0][0] <= now:
            _, stream = self._forgotten_from.popleft()
            if stream in self._dirty:
                self._forgotten_from.append((now + self._timing.remember_ms, stream))
            else:
                self._drop(stream)

    def _drop(self, stream: str) -> None:
        bubble = self._bubbles.pop(stream, None)
        if bubble is not None:
            bubble.images, bubble.sealed = (), None

    def _tell_trouble(self, exc: StoreError) -> None:
        now = self._clock()
        if now - self._trouble_at >= TELL_EVERY_MS:
            self._trouble_at = now
            log.warning("bubbles.unsaved", error=type(exc).__name__, bubbles=len(self._dirty))


def stream_key(secret: str) -> bytes:
    """Return the key of bubble ids: secret, and the same before and after a restart."""
    return hmac.digest(secret.encode(), b"stream ids", "sha256")


def stream_of(key: bytes, message: str) -> str:
    """Return the id of a message's bubble."""
    return hmac.digest(key, message.encode(), "sha256").hex()


def ended(turn: int | None, language: Language) -> str:
    """Return the last word of a bubble whose final could not be shown in it."""
    if turn is None:
        return texts.NOTICE_COMES_SEPARATELY.say(language)
    return texts.ENDED.say(language, n=turn)


def _weight(bubble: Bubble) -> int:
    return sum(len(image.content) for image in bubble.images)


def _slices(bubbles: list[Bubble], size: int) -> Iterator[list[Bubble]]:
    for start in range(0, len(bubbles), size):
        yield bubbles[start : start + size]
