"""The bubbles of the long connection that may still change: those of this run and of the last one."""

import asyncio

import structlog

from bot.background import Background
from bot.clock import Clock
from bot.errors import StoreError
from bot.messages import Answer, InboundMessage
from bot.texts import Language, language_of
from handlers.platform import Opening
from handlers.wecom.bubbles import ended, stream_of
from handlers.wecom.connection.bubble import Bubble, take_over
from handlers.wecom.connection.pump import Pump
from handlers.wecom.connection.speaker import Conversation
from handlers.wecom.markdown import answer_text, compose, head_of, split
from handlers.wecom.outcome import Outcome
from handlers.wecom.polls import answer_of, elsewhere
from handlers.wecom.timing import Timing
from handlers.wecom.wire import STREAM_BYTES
from store import Store
from store.records import OPEN_STATES, OWED_STATES, Delivery, TurnRecord

log = structlog.get_logger()

REMEMBER_MS = 60_000  # a bubble that is over: WeCom may bring its message once more
QUIET_MS = 60_000  # the bubble of a turn that runs changes more often
# At what the store has of a bubble: when that failed, and while its final waits.
LOOK_AGAIN_MS = 2_000
MARGIN_MS = 30_000  # of an open stream's life, for the last word of one whose final must wait


class Bubbles:
    """Hands out bubbles by their messages, and sees to it that each is finished."""

    def __init__(
        self,
        store: Store,
        key: bytes,
        pump: Pump,
        background: Background,
        clock: Clock,
        timing: Timing,
    ) -> None:
        self._store = store
        self._key = key
        self._pump = pump
        self._background = background
        self._clock = clock
        self._timing = timing
        self._bubbles: dict[str, Bubble] = {}

    @property
    def open_count(self) -> int:
        """How many are not finished."""
        return sum(1 for one in self._bubbles.values() if not one.finished)

    def stream_of(self, message: str) -> str:
        """Return the id of a message's first stream: the same for every copy of it."""
        return stream_of(self._key, message)

    def find(self, message: str) -> Bubble | None:
        """Return the bubble of a message if it is in memory."""
        return self._bubbles.get(message)

    def open_of(self, sender: str) -> int:
        """Return how many bubbles of this person are not finished."""
        return sum(1 for one in self._bubbles.values() if one.sender == sender and one.live)

    def open(self, message: InboundMessage, stream: str, opening: Opening) -> Bubble:
        """Begin the bubble of a message that was just accepted; its first frame leaves at once.

        Its turn may have begun already and wait for it: that goes on in it.
        """
        known = self._bubbles.get(message.id)
        prefix, text = split(opening.markdown)
        prefix = opening.prefix or prefix
        if known is not None and known.live and not opening.finished:
            known.prefix, known.brought, known.text = prefix, False, known.text or text
            self._touch(known)
            return known
        bubble = known if known is not None and not opening.finished else None
        if bubble is None:
            language = language_of(opening.markdown) or "zh"
            bubble = Bubble(message.id, message.received_at, language)
        if known is None:
            self._bubbles[message.id] = bubble
        _belongs_to(bubble, message, stream)
        bubble.prefix, bubble.text, bubble.loaded = prefix, bubble.text or text, True
        if opening.finished:
            self.finish(bubble, compose(prefix, text), owed=True)
        self._touch(bubble)
        return bubble

    def say(self, message: InboundMessage, stream: str, content: str) -> Bubble:
        """Answer a message with a last word."""
        language = language_of(content) or "zh"
        bubble = Bubble(message.id, message.received_at, language, loaded=True)
        _belongs_to(bubble, message, stream)
        self._bubbles[message.id] = bubble
        self.finish(bubble, content, owed=True)
        return bubble

    def say_again(self, message: InboundMessage, stream: str, content: str) -> None:
        """Say a last word of the last run, which may have arrived: it is the same, to the byte."""
        self.say(message, stream, content).doubted = True

    def of_turn(
        self, turn: int, message: str, received_at: int, language: Language, *, was_open: bool
    ) -> Bubble:
        """Return the bubble of a turn; a further one where the message's own was closed by a receipt."""
        bubble = self._bubbles.get(message)
        if bubble is None or (not was_open and bubble.turn != turn) or bubble.finished:
            bubble = Bubble(message, received_at, language)
            self._bubbles[message] = bubble
        bubble.turn, bubble.language = turn, language
        if not bubble.loaded:
            self._background.start(self._look(bubble), name=f"bubble of #{turn}")
        return bubble

    async def load(self, bubble: Bubble) -> None:
        """Read what the store has of a bubble that was only expected."""
        if bubble.loaded:
            return
        row = await self._store.inbox.find(bubble.message)
        chat = await self._store.chats.get(row.chat) if row else None
        turn = await self._store.turns.by_message(bubble.message)
        if bubble.live or bubble.finished:  # its message was answered while we read
            return
        if row is not None and chat is not None:
            was_open = turn is not None and turn.bubble
            now, life_ms = self._clock(), self._timing.window_ms
            take_over(bubble, row, chat, was_open=was_open, now=now, life_ms=life_ms)
        old = self._clock() - bubble.received_at >= self._timing.pace.handle_ms
        bubble.dead = old or not bubble.handle
        bubble.loaded = True
        self._touch(bubble)

    def show(self, bubble: Bubble, text: str) -> None:
        """Replace the turn's text; a finished bubble stays as it is."""
        if not bubble.finished:
            bubble.text = text
            self._touch(bubble)

    def finish(self, bubble: Bubble, content: str, *, owed: bool = False) -> None:
        """Say a last word; ``owed``: somebody waits for it, so that it arrives in any case."""
        if bubble.finished or bubble.last is not None:
            return
        bubble.last, bubble.owed = content, owed
        if bubble.loaded and (bubble.dead or not bubble.stream):  # nothing more can be said in it
            bubble.finished = True
        self._touch(bubble)

    async def finish_with(self, delivery: Delivery) -> Outcome:
        """Bring a final answer by finishing its open stream; ``refused``: there is none."""
        bubble = self._bubbles.get(delivery.message)
        restored = bubble is None or not bubble.loaded
        if bubble is None:
            language = language_of(delivery.body) or "zh"
            bubble = Bubble(delivery.message, delivery.created_at, language)
            self._bubbles[delivery.message] = bubble
        await self.load(bubble)
        bubble.final = delivery.id
        was_open = bubble.open or bubble.lapsed
        bubble.doubted = bubble.doubted or (restored and was_open and delivery.attempts > 1)
        outcome = await self._pump.conclude(bubble, last_word(bubble, answer_of(delivery)))
        if outcome.kind == "refused" and bubble.doubted:
            return Outcome("doubtful", f"unacknowledged, then {outcome.cause}")
        return outcome

    def doubts(self, message: str) -> bool:
        """Tell whether a last word has left us, and nobody said that it arrived."""
        bubble = self._bubbles.get(message)
        return bubble is not None and bubble.doubted

    def apart(self, delivery: Delivery) -> str:
        """Return a delivery as a message of its own, below what its bubble was to bring and did not."""
        bubble, answer = self._bubbles.get(delivery.message), answer_of(delivery)
        if delivery.turn is None or bubble is None or bubble.brought:
            return answer_text(answer)
        return last_word(bubble, answer)

    async def finish_again(self, delivery: Delivery) -> Outcome:
        """Say what became of a final answer that was on its way when the last run was cut off."""
        outcome = await self.finish_with(delivery)
        bubble = self._bubbles[delivery.message]
        if outcome.kind in {"unsent", "limited"}:
            bubble.doubted = True  # by now; the last run may have said it
        if outcome.kind != "refused":
            return outcome
        row = await self._store.inbox.find(delivery.message)
        shown = (
            row is not None and row.finished and row.shown == last_word(bubble, answer_of(delivery))
        )
        return Outcome("sent") if shown else outcome

    def over(self, message: str) -> None:
        """Take note that a message was answered by other means."""
        bubble = self._bubbles.get(message)
        if bubble is not None and not bubble.open:
            bubble.finished, bubble.changed_at = True, self._clock()

    def resume(self) -> None:
        """Go on: the connection is up again."""
        for bubble in list(self._bubbles.values()):
            bubble.not_before = 0.0
            self._pump.start(bubble)

    def tend(self) -> None:
        """Let each bubble do what its time asks for, and forget those that are over."""
        now = self._clock()
        for message, bubble in list(self._bubbles.items()):
            if bubble.finished and now - bubble.changed_at >= REMEMBER_MS:
                del self._bubbles[message]
                continue
            age_ms = now - bubble.opened_at
            waits_long = age_ms >= self._timing.window_ms - MARGIN_MS
            waits = bubble.open and bubble.final is not None and not bubble.doubted
            if waits and waits_long:
                self.finish(bubble, ended(bubble.turn, bubble.language))
            if (waits or not bubble.loaded) and now - bubble.changed_at >= LOOK_AGAIN_MS:
                bubble.changed_at = now
                self._background.start(self._look(bubble), name=f"bubble of {message}")
            self._pump.start(bubble)

    async def run(self) -> None:
        """Tend the bubbles for as long as the service lives."""
        while True:
            await asyncio.sleep(self._timing.flush_every_s)
            self.tend()

    async def close_leaked(self) -> int:
        """Finish the bubbles that nobody will finish any more; return how many. Raises StoreError."""
        now, closed = self._clock(), 0
        for bubble in list(self._bubbles.values()):
            quiet = now - bubble.changed_at >= QUIET_MS
            if bubble.finished or not bubble.loaded or bubble.last is not None or not quiet:
                continue
            turn = await self._store.turns.by_message(bubble.message)
            if await self.conclude(bubble, turn):
                log.warning("bubble.closed", message=bubble.message, age_s=_age_s(bubble, now))
                closed += 1
        return closed

    async def conclude(self, bubble: Bubble, turn: TurnRecord | None) -> bool:
        """End a bubble whose turn is over, unless its final is still to come; tell whether it was so."""
        if turn is not None and turn.state in OPEN_STATES:
            return False
        delivery = None if turn is None else await self._store.deliveries.of_turn(turn.n)
        if delivery is not None and delivery.state in OWED_STATES:
            return False
        if delivery is not None and delivery.state == "sent":
            words = elsewhere(delivery.turn, bubble.language)
        else:
            words = ended(turn.n if turn else None, bubble.language)
        self.finish(bubble, words)
        return True

    async def close(self) -> None:
        """Finish what is open: its turns go on in further streams, after the next start."""
        async with asyncio.TaskGroup() as group:
            for bubble in self._bubbles.values():
                group.create_task(self._pump.hand_over(bubble))

    async def _look(self, bubble: Bubble) -> None:
        """Read what the store has of a bubble; end one whose waiting final the next contact brought."""
        try:
            if bubble.loaded:
                await self.conclude(bubble, await self._store.turns.by_message(bubble.message))
            else:
                await self.load(bubble)
        except StoreError as exc:  # tried again in a while
            log.warning("bubbles.unsaved", error=type(exc).__name__, bubbles=1)

    def _touch(self, bubble: Bubble) -> None:
        bubble.changed_at = self._clock()
        self._pump.start(bubble)


def _belongs_to(bubble: Bubble, message: InboundMessage, stream: str) -> None:
    chat = message.chat
    bubble.handle, bubble.chat, bubble.sender = message.handle, chat.key, message.sender
    bubble.conversation = Conversation(chat.id, group=chat.is_group)
    bubble.brought = False
    bubble.begin(stream)


def last_word(bubble: Bubble, answer: Answer) -> str:
    """Return a final answer as it stands in its stream, below what had waited for its question."""
    head = head_of(bubble.prefix)
    return head + answer_text(answer, STREAM_BYTES - len(head.encode()))


def _age_s(bubble: Bubble, now: int) -> int:
    return (now - bubble.received_at) // 1000
