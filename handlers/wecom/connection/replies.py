"""How the engine answers over the long connection: a bubble that we push, then a last word."""

from collections.abc import Sequence

import structlog

from bot.background import Background
from bot.cards import Card
from bot.errors import StoreError
from bot.messages import Answer, Medium, Sendable, Sent
from bot.texts import Language
from handlers.wecom.cards import card_body, whole
from handlers.wecom.connection import frames
from handlers.wecom.connection.bubble import Bubble
from handlers.wecom.connection.bubbles import Bubbles, last_word
from handlers.wecom.connection.outlet import ConnectionOutlet
from handlers.wecom.connection.reception import CONNECTION
from handlers.wecom.connection.speaker import Speaker
from handlers.wecom.outcome import sent
from handlers.wecom.pushes import Pushes
from store import Store
from store.records import Delivery

log = structlog.get_logger()


class ConnectionReply:
    """The reply stream of one turn."""

    def __init__(self, replies: "ConnectionReplies", turn: int, chat: str, bubble: Bubble) -> None:
        self._replies = replies
        self._turn = turn
        self._chat = chat
        self._bubble = bubble

    def update(self, markdown: str) -> None:
        """Show the turn so far, as soon as the pace allows it."""
        self._replies.bubbles.show(self._bubble, markdown)

    async def notify(self, markdown: str) -> None:
        """Say what must not wait for the end, unless a bubble shows it."""
        await self._replies.bubbles.load(self._bubble)
        if not self._bubble.live:
            await self._replies.pushes.notice(self._chat, self._bubble.message, markdown)

    async def ask(self, markdown: str, cards: Sequence[Card]) -> None:
        """Show requests as cards, each a message of its own; words for those that WeCom refuses."""
        bubble, replies = self._bubble, self._replies
        await replies.bubbles.load(bubble)
        shown = [await replies.show_card(bubble, card) for card in cards]
        if not all(shown) and not bubble.live:
            await replies.pushes.notice(self._chat, bubble.message, markdown)

    @property
    def apart(self) -> bool:
        """Whether a file is a message of its own: it is."""
        return True

    def takes(self, media: Sequence[Sendable]) -> bool:  # noqa: ARG002 - a file needs no bubble
        """Tell that every file can be a message of its own."""
        return True

    async def finish(self, answer: Answer) -> None:
        """Begin to bring the final answer, behind our back: the lane must not wait for WeCom."""
        replies = self._replies
        delivery = await replies.store.deliveries.of_turn(self._turn)
        await replies.bubbles.load(self._bubble)
        if delivery is None:
            replies.bubbles.finish(self._bubble, last_word(self._bubble, answer), owed=True)
            return
        self._bubble.final = delivery.id
        await replies.move_in(delivery)
        replies.bringing += 1
        replies.background.start(self._bring(), name=f"final of #{self._turn}")

    async def _bring(self) -> None:
        replies = self._replies
        try:
            await replies.pushes.flush(self._chat)
            turn = await replies.store.turns.get(self._turn)
            if self._bubble.open and self._bubble.last is None:
                await replies.bubbles.conclude(self._bubble, turn)
            replies.pushes.bring(self._chat)  # the files behind it
        except StoreError as exc:  # the next look tries again
            log.warning("deliveries.postponed", chat=self._chat, error=type(exc).__name__)
        finally:
            replies.bringing -= 1


class ConnectionReplies:
    """Hands out reply streams of the long connection."""

    def __init__(
        self,
        store: Store,
        bubbles: Bubbles,
        pushes: Pushes,
        outlet: ConnectionOutlet,
        speaker: Speaker,
        background: Background,
    ) -> None:
        self.store = store
        self.bubbles = bubbles
        self.pushes = pushes
        self.background = background
        self.bringing = 0  # finals
        self._outlet = outlet
        self._speaker = speaker

    def reply_to(
        self,
        turn: int,
        message: str,
        chat: str,
        *,
        bubble: bool,
        received_at: int,
        language: Language,
    ) -> ConnectionReply:
        """Return the reply stream of a turn, also of one that began before a restart."""
        opened = self.bubbles.of_turn(turn, message, received_at, language, was_open=bubble)
        return ConnectionReply(self, turn, chat, opened)

    async def deliver(self, delivery: int) -> None:
        """Begin to bring a kept delivery; it stays due while the connection is down."""
        kept = await self.store.deliveries.get(delivery)
        if kept is not None and kept.state == "due":
            await self.move_in(kept)
            self.pushes.bring(kept.chat)

    async def move_in(self, delivery: Delivery) -> None:
        """Take over what another channel was to bring, which is off: else nobody asked us."""
        if delivery.channel != CONNECTION:
            await self.store.deliveries.move_house(delivery.channel, CONNECTION)

    async def show_card(self, bubble: Bubble, card: Card) -> bool:
        """Show a card in answer to a message; tell whether WeCom took it, and all of it is to be seen."""
        body = {"msgtype": "template_card", "template_card": card_body(card)}
        if bubble.dead:
            return False
        request = frames.respond(bubble.handle, body)
        async with bubble.lock:
            heard = await self._speaker.say(bubble.conversation, request)
        return heard.kind == "done" and whole(card)

    async def send_medium(self, chat: str, medium: Medium) -> Sent:
        """Send a file to a chat (its key), which answers no message of it; say what became of it."""
        outcome = await self._outlet.send_file(chat, medium)
        if outcome.kind != "sent":
            log.warning("medium.unsent", kind=medium.kind, cause=outcome.cause)
        return sent(outcome)
