"""How the engine answers over the callback: a bubble while it is open, then the ways out."""

from collections.abc import Sequence

from bot.background import Background
from bot.cards import Card
from bot.errors import UserError
from bot.messages import Answer, Medium, Sendable
from bot.render import unsent
from bot.texts import Language, language_of
from handlers.wecom.bubbles import Bubble, Bubbles
from handlers.wecom.cards import whole
from handlers.wecom.way_out import WayOut
from store import Store

DIRECT_CHATS = "wecom:direct:"  # what their keys begin with
PICTURES = 10  # of one reply
PICTURE_BYTES = 10 * 1024 * 1024  # WeCom takes as much in each; we keep it in memory, so in all


class CallbackReply:
    """The reply stream of one turn; ``bubble`` is None where its bubble was closed with a receipt."""

    def __init__(
        self,
        replies: "CallbackReplies",
        turn: int,
        message: str,
        chat: str,
        *,
        bubble: Bubble | None,
        language: Language,
    ) -> None:
        self._replies = replies
        self._turn = turn
        self._message = message
        self._chat = chat
        self._bubble = bubble
        self._language = language

    def update(self, markdown: str) -> None:
        """Show the turn so far, and see whether the bubble's time is over."""
        if self._bubble is not None:
            self._replies.bubbles.show(self._bubble, markdown)
            self._replies.bubbles.hand_over(self._bubble)

    async def notify(self, markdown: str) -> None:
        """Say what must not wait for the end, unless the open bubble shows it."""
        if self._bubble is not None:
            await self._replies.bubbles.load(self._bubble)
            if not self._bubble.finished:
                return
        await self._replies.way_out.notice(self._chat, self._message, markdown)

    async def ask(self, markdown: str, cards: Sequence[Card]) -> None:
        """Show a request's card below the open bubble, or in its stead; WeCom takes one of either."""
        if self._bubble is not None:
            await self._replies.bubbles.load(self._bubble)
            if self._replies.bubbles.attach(self._bubble, cards[0]) or not self._bubble.finished:
                return
        way_out = self._replies.way_out
        await way_out.notice(self._chat, self._message, markdown, _late(self._chat, cards))

    @property
    def apart(self) -> bool:
        """Whether a file is a message of its own: a bubble shows pictures in itself."""
        return False

    def takes(self, media: Sequence[Sendable]) -> bool:
        """Tell whether the bubble's last word can show all of these: pictures, within WeCom's limits."""
        return (
            self._bubble is not None
            and self._replies.way_out.waits_for_poll(self._bubble)
            and len(media) <= PICTURES
            and all(one.kind == "image" for one in media)
            and sum(one.size for one in media) <= PICTURE_BYTES
        )

    async def finish(self, answer: Answer) -> None:
        """Offer the final answer in the bubble; else it leaves by another way, behind our back."""
        delivery = await self._replies.store.deliveries.of_turn(self._turn)
        if delivery is not None:
            if answer.media and self._bubble is not None:
                await self._picture(self._bubble, answer)
            await self._replies.way_out.offer(delivery, self._language)
        elif self._bubble is not None:
            await self._replies.bubbles.load(self._bubble)
            self._replies.bubbles.finish_with(self._bubble, answer)

    async def _picture(self, bubble: Bubble, answer: Answer) -> None:
        """Give the bubble its pictures. What is kept names them: no other way out shows any."""
        read = {one.path: await _read(one) for one in answer.media}
        images = tuple(picture for picture in read.values() if picture is not None)
        gone = [path for path, picture in read.items() if picture is None]
        footer = answer.footer
        if gone:
            footer = f"{unsent(gone, self._turn, self._language)}\n{footer}"
        if not bubble.finished:
            self._replies.bubbles.picture(bubble, images, footer)


def _late(chat: str, cards: Sequence[Card]) -> Card | None:
    """Return the card that may leave in the stead of words: WeCom takes one, in direct chats."""
    alone = chat.startswith(DIRECT_CHATS) and len(cards) == 1
    return cards[0] if alone and whole(cards[0]) else None


async def _read(one: Sendable) -> Medium | None:
    """Read a picture; None when it has gone in this moment."""
    try:
        return await one.read()
    except UserError:
        return None


class CallbackReplies:
    """Hands out reply streams of the callback."""

    def __init__(
        self,
        store: Store,
        bubbles: Bubbles,
        way_out: WayOut,
        background: Background,
    ) -> None:
        self.store = store
        self.bubbles = bubbles
        self.way_out = way_out
        self.background = background

    def reply_to(
        self,
        turn: int,
        message: str,
        chat: str,
        *,
        bubble: bool,
        received_at: int,
        language: Language,
    ) -> CallbackReply:
        """Return the reply stream of a turn, also of one that began before a restart."""
        opened = self.bubbles.expect(message, received_at, language) if bubble else None
        if opened is not None and not opened.loaded:
            self.background.start(self.bubbles.load(opened), name=f"bubble of #{turn}")
        return CallbackReply(
            self,
            turn,
            message,
            chat,
            bubble=opened,
            language=language,
        )

    async def deliver(self, delivery: int) -> None:
        """Bring a kept delivery by whatever way is open now; it stays due without one."""
        kept = await self.store.deliveries.get(delivery)
        if kept is not None and kept.state == "due":
            await self.way_out.bring(kept, language_of(kept.body) or "zh")
