"""Show a running turn: rendered from its state, at most twice a second."""

from bot.asks import pendings
from bot.render import Detail, Frame, age, asks, diagnose, progress
from bot.sessions import shortened
from bot.texts import engine as texts
from bot.turns.parts import Parts
from bot.turns.running import Running

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

    async def asked(self, running: Running) -> None:
        """Show new requests, by a message of their own where the bubble is closed."""
        await self.refresh(running)
        if running.asks:
            await running.reply.notify(asks(running.asks, running.language, self._clock()))
        running.shown_at = 0
        self.show(running)

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
