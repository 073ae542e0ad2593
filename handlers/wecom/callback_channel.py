"""The AI bot over its encrypted HTTP callback, put together."""

from collections import Counter

from aiohttp import web

from bot.background import Background
from bot.clock import Clock
from bot.messages import CALLBACK, Replies
from bot.texts import Language
from config.settings import Settings
from handlers.platform import Acceptor
from handlers.wecom.bubbles import Bubbles, stream_key
from handlers.wecom.callback import Callback
from handlers.wecom.envelope import Envelope
from handlers.wecom.late import LateAnswers
from handlers.wecom.leaks import Leaks
from handlers.wecom.polls import Polls
from handlers.wecom.posts import Posts
from handlers.wecom.replies import CallbackReplies
from handlers.wecom.timing import Timing
from handlers.wecom.way_out import WayOut
from handlers.wecom.wire import Wire
from store import Store


class CallbackChannel:
    """The AI bot's callback, as the root sees it."""

    name = CALLBACK

    def __init__(
        self,
        callback: Callback,
        replies: CallbackReplies,
        bubbles: Bubbles,
        late: LateAnswers,
        leaks: Leaks,
    ) -> None:
        self._callback = callback
        self._replies = replies
        self._bubbles = bubbles
        self._late = late
        self._leaks = leaks

    @property
    def routes(self) -> list[web.RouteDef]:
        """What the web application serves for it."""
        return self._callback.door.routes

    @property
    def replies(self) -> Replies:
        """How the engine answers here."""
        return self._replies

    async def recover(self) -> None:
        """Take up what the last run left on its way; the first thing that a start does."""
        await self._replies.way_out.recover()

    @property
    def counts(self) -> Counter[str]:
        """What came since the start: message, repeat, poll, event, `refused <reason>` and others."""
        return self._callback.door.counts

    @property
    def last_at(self) -> int:
        """When WeCom called last, in Unix milliseconds; 0 if it never did."""
        return self._callback.door.last_at

    @property
    def facts(self) -> dict[str, object]:
        """How it stands, for whoever looks after the service."""
        return {
            "last_callback_at": self.last_at,
            "callbacks": dict(self.counts),
            "open_bubbles": self.open_bubbles,
        }

    @property
    def open_bubbles(self) -> int:
        """How many bubbles are not finished."""
        return self._bubbles.open_count

    async def close_leaked(self) -> int:
        """Finish the bubbles that nobody will finish any more; return how many. Raises StoreError."""
        return await self._leaks.close()

    @property
    def posting(self) -> int:
        """How many jobs bring answers by their addresses at this moment."""
        return self._replies.way_out.posting

    async def close(self) -> None:
        """Keep what is shown."""
        await self._bubbles.flush()

    async def let_go(self) -> None:
        """Let go of every connection, once nothing is posted any more."""
        await self._late.close()


def build_callback(
    settings: Settings,
    accept: Acceptor,
    store: Store,
    background: Background,
    clock: Clock,
    timing: Timing,
) -> CallbackChannel:
    """Put the callback together and start its lasting jobs; needs `wecom.bot.on`."""
    bot = settings.wecom.bot
    assert bot.token is not None, "the callback is on"
    assert bot.aes_key is not None, "the callback is on"
    aes_key = bot.aes_key.get_secret_value()
    bubbles = Bubbles(store, stream_key(aes_key), clock, timing)
    late = LateAnswers(settings.wecom.allowed_hosts, settings.wecom.api_url)
    posts = Posts(store, bubbles, late, clock, timing)
    way_out = WayOut(store, bubbles, posts, background, clock, timing)
    polls = Polls(store, bubbles, clock, timing)
    language: Language = "en" if settings.chat.language == "en" else "zh"
    callback = Callback(
        Envelope(bot.token.get_secret_value(), aes_key),
        Wire(
            bot_id=bot.bot_id,
            name=bot.name,
            per_user=settings.chat.group_session == "per_user",
        ),
        accept,
        store,
        bubbles,
        polls,
        clock,
        language,
    )
    background.keep(bubbles.run, name="wecom bubbles")
    background.keep(way_out.watch, name="wecom late answers")
    replies = CallbackReplies(store, bubbles, way_out, background)
    leaks = Leaks(store, bubbles, polls, clock, timing)
    return CallbackChannel(callback, replies, bubbles, late, leaks)
