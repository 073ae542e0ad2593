"""How the engine answers by an application: no bubble, short news now and then, the final pushed."""

from collections.abc import Sequence

from bot.background import Background
from bot.cards import Card
from bot.clock import Clock
from bot.messages import Answer, Medium, Sendable, Sent
from bot.texts import Language
from handlers.wecom.app.app_wire import APP
from handlers.wecom.app.media import uploaded
from handlers.wecom.app.outlet import AppOutlet, member_of
from handlers.wecom.app.parts import compact
from handlers.wecom.outcome import Outcome, sent
from handlers.wecom.pushes import Pushes
from store import Store
from store.records import NewDelivery

MINUTE_MS = 60_000
NEWS_MS = 3 * MINUTE_MS  # between two pushes of how a turn stands
LONG_MS = 30 * MINUTE_MS  # a turn that has lasted so long …
LONG_NEWS_MS = 10 * MINUTE_MS  # … is told of more seldom


class AppReply:
    """The reply stream of one turn."""

    def __init__(
        self,
        replies: "AppReplies",
        turn: int,
        message: str,
        chat: str,
        *,
        received_at: int,
    ) -> None:
        self._replies = replies
        self._turn = turn
        self._message = message
        self._chat = chat
        self._received_at = received_at
        self._told_at = replies.clock()
        self._over = False

    def update(self, markdown: str) -> None:
        """Say how the turn stands every few minutes; between them nothing."""
        now = self._replies.clock()
        long = now - self._received_at >= LONG_MS
        if self._over or now - self._told_at < (LONG_NEWS_MS if long else NEWS_MS):
            return
        self._told_at = now
        member = member_of(self._chat)
        self._replies.background.start(
            self._replies.outlet.show(member, compact(markdown), lambda: not self._over),
            name=f"news of #{self._turn}",
        )

    async def notify(self, markdown: str) -> None:
        """Say what must not wait for the end."""
        await self._replies.pushes.notice(self._chat, self._message, markdown)

    async def ask(self, markdown: str, cards: Sequence[Card]) -> None:
        """Show requests as cards; their words are kept, and stand in where there can be no cards."""
        replies = self._replies
        notice = await replies.store.deliveries.add(
            NewDelivery(
                chat=self._chat,
                turn=None,
                message=self._message,
                body=markdown,
                footer="",
                more="",
                at=replies.clock(),
            )
        )
        replies.outlet.draw(notice.id, cards)
        replies.pushes.bring(self._chat)

    @property
    def apart(self) -> bool:
        """Whether a file is a message of its own: it is."""
        return True

    def takes(self, media: Sequence[Sendable]) -> bool:  # noqa: ARG002 - of whatever kind
        """Tell whether there is somebody to send to: every file is a message of its own."""
        return bool(member_of(self._chat))

    async def finish(self, answer: Answer) -> None:
        """Begin to push the final answer, which the store has, and the files behind it."""
        del answer
        self._over = True
        self._replies.pushes.bring(self._chat)


class AppReplies:
    """Hands out reply streams of the application."""

    def __init__(
        self,
        store: Store,
        pushes: Pushes,
        outlet: AppOutlet,
        background: Background,
        clock: Clock,
    ) -> None:
        self.store = store
        self.pushes = pushes
        self.outlet = outlet
        self.background = background
        self.clock = clock

    def reply_to(
        self,
        turn: int,
        message: str,
        chat: str,
        *,
        bubble: bool,
        received_at: int,
        language: Language,
    ) -> AppReply:
        """Return the reply stream of a turn, also of one that began before a restart."""
        del bubble, language  # there are no bubbles here, and no words of its own
        return AppReply(self, turn, message, chat, received_at=received_at)

    async def deliver(self, delivery: int) -> None:
        """Bring a kept delivery; it stays due while WeCom's API is not to be had."""
        kept = await self.store.deliveries.get(delivery)
        if kept is not None and kept.state == "due":
            if kept.channel != APP:  # of a channel that is off: else nobody asked us
                await self.store.deliveries.move_house(kept.channel, APP, groups=False)
            self.pushes.bring(kept.chat)

    async def send_medium(self, chat: str, medium: Medium) -> Sent:
        """Send a file as a message of its own."""
        member = member_of(chat)
        if not member:
            return "refused"
        if not self.outlet.has_room(member):
            return "unsent"
        body = await uploaded(self.outlet.api, medium)
        if isinstance(body, Outcome):  # at the worst it lies with WeCom, and nobody sees it there
            return "unsent" if body.kind == "doubtful" else sent(body)
        return sent((await self.outlet.send(member, body)).outcome)
