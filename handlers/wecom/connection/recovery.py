"""Takes up what the last run was told and did not answer: WeCom says nothing twice here."""

import asyncio

import structlog

from bot.background import Background
from bot.clock import Clock
from bot.errors import StoreError
from bot.messages import Chat, InboundMessage
from bot.texts import Language
from bot.texts import engine as texts
from handlers.wecom.connection.bubble import Bubble
from handlers.wecom.connection.bubbles import Bubbles
from handlers.wecom.connection.reception import CONNECTION, Reception
from handlers.wecom.timing import Timing
from store import Store
from store.records import OPEN_STATES, OWED_STATES, ChatRecord, InboundRecord, TurnRecord

log = structlog.get_logger()

STALE_MS = 600_000  # a command so old meant what was then; its sender is told that it did not run
LOOK_S = 2.0  # between two looks whether a final that was due has come


class Recovery:
    """Looks once, before anything of this run can be there; begins once the connection is up."""

    def __init__(
        self,
        store: Store,
        bubbles: Bubbles,
        reception: Reception,
        background: Background,
        clock: Clock,
        timing: Timing,
    ) -> None:
        self._store = store
        self._bubbles = bubbles
        self._reception = reception
        self._background = background
        self._clock = clock
        self._timing = timing
        self._left: list[InboundRecord] = []

    async def look(self) -> None:
        """Remember what was left. Raises StoreError."""
        since = self._clock() - self._timing.pace.handle_ms
        self._left = await self._store.inbox.unfinished(CONNECTION, since)
        for kind, at in await self._store.chats.last_contacts():
            self._reception.hearing.hear(group=kind == "group", at=at)

    def begin(self) -> None:
        """Take it up, behind the caller's back."""
        left, self._left = self._left, []
        if left:
            log.info("connection.recovered", left=len(left))
            self._background.start(self._take_up(left), name="wecom connection recovery")

    async def _take_up(self, left: list[InboundRecord]) -> None:
        while True:
            left = [row for row in left if not await self._taken_up(row)]
            if not left:
                return
            await asyncio.sleep(LOOK_S)

    async def _taken_up(self, row: InboundRecord) -> bool:
        """Take one up; False while its final is still to come by another way."""
        try:
            return await self._take_up_one(row)
        except StoreError as exc:  # the next start looks again
            log.warning("bubbles.unsaved", error=type(exc).__name__, bubbles=1)
            return True

    async def _take_up_one(self, row: InboundRecord) -> bool:
        chat = await self._store.chats.get(row.chat)
        turn = await self._store.turns.by_message(row.message)
        if chat is None or self._bubbles.find(row.message) is not None:
            return True  # its turn, or WeCom, was first
        stream = row.stream or ""
        if turn is not None:
            return await self._of_turn(row, turn)
        if row.shown:
            self._bubbles.say_again(message_of(row, chat), stream, row.shown)
        elif row.kind == "command" and self._clock() - row.received_at < STALE_MS:
            await self._reception.again(message_of(row, chat), stream)
        else:
            language: Language = "en" if chat.last_language == "en" else "zh"
            self._bubbles.say(message_of(row, chat), stream, texts.NOT_RUN.say(language))
        return True

    async def _of_turn(self, row: InboundRecord, turn: TurnRecord) -> bool:
        """Finish what a turn left open that is over; one that goes on sees to it by itself.

        A final that is still to come finishes it, or the chat's next contact takes that final:
        two who finish it at once would put each other's words there.
        """
        if turn.state in OPEN_STATES:
            return True
        delivery = await self._store.deliveries.of_turn(turn.n)
        if delivery is not None and delivery.state in OWED_STATES:
            return False
        final = delivery.id if delivery else None
        bubble = Bubble(row.message, row.received_at, turn.language, turn=turn.n, final=final)
        await self._bubbles.load(bubble)
        if not bubble.open:
            await self._store.inbox.show([(row.stream or "", row.shown, True)])
        elif await self._bubbles.conclude(bubble, turn):
            log.warning("bubble.closed", message=row.message, age_s=0)
        return True


def message_of(row: InboundRecord, chat: ChatRecord) -> InboundMessage:
    """Return a message as it came: of a command the store has the line."""
    return InboundMessage(
        id=row.message,
        chat=Chat(chat.platform, chat.kind, chat.id, chat.member),
        sender=row.sender,
        text=row.body,
        received_at=row.received_at,
        channel=row.channel,
        handle=row.handle,
    )
