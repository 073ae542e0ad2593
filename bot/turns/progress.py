"""Show a running turn: rendered from its state, at most twice a second."""

from collections.abc import Sequence

from bot.asks import pending_of, pendings
from bot.cards import Card, Cards, task_of
from bot.render import Detail, Frame, age, asks, diagnose, for_tool, progress
from bot.render.cards import Place, ask_card
from bot.sessions import shortened
from bot.texts import engine as texts
from bot.turns.parts import Parts
from bot.turns.running import Running
from store.records import AskRecord

SHOW_EVERY_MS = 500
DETAILS: dict[str, Detail] = {"quiet": "quiet", "normal": "normal", "full": "full"}


class Progress:
    """Renders running turns into their reply streams."""

    def __init__(self, parts: Parts) -> None:
        self._store = parts.store
        self._links = parts.links
        self._clock = parts.clock
        self._stall_after_ms = round(parts.settings.turn.stall_after * 1000)
        self._detail = parts.settings.chat.detail

    def show(self, running: Running) -> None:
        """Render and show, unless it was done a moment ago."""
        now = self._clock()
        if now - running.shown_at < SHOW_EVERY_MS:
            return
        running.shown_at = now
        running.shown = progress(running.summary, self._frame(running, now))
        running.reply.update(running.shown)

    async def refresh(self, running: Running) -> None:
        """Read again what waits for a person."""
        records = await self._store.asks.open_of_turn(running.record.n)
        running.asks = pendings(records, running.record.session)

    async def asked(self, running: Running, new: Sequence[AskRecord]) -> None:
        """Show new requests, by a message of their own where the bubble is closed."""
        await self.refresh(running)
        running.shown_at = 0
        self.show(running)
        if not running.asks:
            return
        words = asks(running.asks, running.language, self._clock())
        cards = self._cards(running, new)
        if cards and isinstance(running.reply, Cards):
            await running.reply.ask(words, cards)
        else:
            await running.reply.notify(words)

    def _cards(self, running: Running, new: Sequence[AskRecord]) -> list[Card]:
        """Return the requests as cards, those that a card can ask."""
        record, link = running.record, self._links.page(running.record.n) or ""
        made, waiting = [], {pending.code for pending in running.asks}
        for ask in new:
            place = Place(task_of(ask.id), record.n, running.language, link)
            pending = for_tool(pending_of(ask, record.session), running.summary)
            if place.task and ask.code in waiting:
                made.append(ask_card(pending, place))
        return [card for card in made if card is not None]

    def nearly_out_of_time(self, running: Running) -> None:
        """Warn that the time limit is near."""
        limit = age(running.deadline - running.started_at)
        running.warning = texts.NEARLY_OUT_OF_TIME.say(running.language, limit=limit)

    def _frame(self, running: Running, now: int) -> Frame:
        record = running.record
        stalled = diagnose(
            running.summary,
            running.asks,
            now,
            stall_after_ms=self._stall_after_ms,
            language=running.language,
        )
        running.stalled = bool(stalled)
        return Frame(
            n=record.n,
            title=shortened(record.text),
            agent=record.agent,
            model=record.model,
            detail=self._detail_of(running),
            language=running.language,
            now=now,
            started_at=running.started_at,
            asks=running.asks,
            note="\n".join(
                filter(None, [*running.notes, running.warning, running.note or stalled])
            ),
            kept=running.record.answer,
            live_link=self._links.page(record.n) or "",
        )

    def _detail_of(self, running: Running) -> Detail:
        """Quiet in groups, normal in direct messages, unless somebody chose."""
        usual: Detail = "quiet" if running.chat.kind == "group" else "normal"
        return DETAILS.get(running.chat.detail) or self._detail or usual
