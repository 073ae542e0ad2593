"""The AI bot over its long connection, put together."""

import asyncio
import contextlib
from collections import Counter
from dataclasses import dataclass

from aiohttp import web

from bot.background import Background
from bot.clock import Clock
from bot.messages import Replies
from bot.texts import Language
from config.settings import Settings
from handlers.platform import Acceptor
from handlers.wecom.bubbles import stream_key
from handlers.wecom.budget import Budget
from handlers.wecom.connection.bubbles import Bubbles
from handlers.wecom.connection.connection import Connection, State
from handlers.wecom.connection.frames import Told
from handlers.wecom.connection.outlet import ConnectionOutlet
from handlers.wecom.connection.pump import Pump
from handlers.wecom.connection.reception import CONNECTION, Reception
from handlers.wecom.connection.recovery import Recovery
from handlers.wecom.connection.replies import ConnectionReplies
from handlers.wecom.connection.speaker import Speaker
from handlers.wecom.connection.uploads import Uploads
from handlers.wecom.files import FilesBehind, Take
from handlers.wecom.pushes import Pushes
from handlers.wecom.timing import Timing
from handlers.wecom.wire import Wire
from store import Store

CLOSE_S = 0.5  # for the last words of what is open, at the end of the service
KEEP_S = 0.5  # for what was just told to be kept
LOOK_S = 0.01
TROUBLES: dict[str, str] = {
    "kicked": "another connection of this bot took its place: end that one, or take the bot out here",
    "refused": "WeCom does not let the bot in: look at wecom.bot.bot_id and wecom.bot.secret",
}
DEAF = "direct chats are heard, groups are not any more: look at the bot's groups in WeCom"


@dataclass(frozen=True, slots=True)
class Parts:
    """What the channel is made of."""

    connection: Connection
    reception: Reception
    bubbles: Bubbles
    pump: Pump
    pushes: Pushes
    replies: ConnectionReplies
    recovery: Recovery


class ConnectionChannel:
    """The AI bot's long connection, as the root sees it."""

    name = CONNECTION

    def __init__(self, parts: Parts, background: Background, clock: Clock) -> None:
        self.parts = parts
        self._background = background
        self._clock = clock

    @property
    def routes(self) -> list[web.RouteDef]:
        """What the web application serves for it: nothing, WeCom never calls."""
        return []

    @property
    def replies(self) -> Replies:
        """How the engine answers here."""
        return self.parts.replies

    @property
    def counts(self) -> Counter[str]:
        """What came since the start: message, repeat, event, click, `refused <reason>` and others."""
        return self.parts.reception.counts

    @property
    def last_at(self) -> int:
        """When WeCom brought something last, in Unix milliseconds; 0 if it never did."""
        return self.parts.reception.last_at

    @property
    def trouble(self) -> str:
        """What keeps it from being heard, as a sentence to act on; empty while all is well."""
        state, cause = self.parts.connection.state, self.parts.connection.cause
        if state in TROUBLES:
            return f"{TROUBLES[state]} ({cause})"
        return DEAF if self.parts.reception.hearing.deaf(self._clock()) else ""

    @property
    def facts(self) -> dict[str, object]:
        """How it stands, for whoever looks after the service."""
        connection, hearing = self.parts.connection, self.parts.reception.hearing
        return {
            "state": connection.state,
            "since": connection.since,
            "cause": connection.cause,
            "trouble": self.trouble,
            "opened": connection.counts["opened"],
            "kicks": connection.counts["kicked"],
            "kicks_24h": connection.kicks,
            "ping_ms": connection.ping_ms,
            "last_callback_at": self.last_at,
            "last_direct_at": hearing.direct_at,
            "last_group_at": hearing.group_at,
            "callbacks": dict(self.counts),
            "open_bubbles": self.parts.bubbles.open_count,
        }

    @property
    def posting(self) -> int:
        """How many jobs bring something at this moment."""
        return self.parts.pushes.posting + self.parts.replies.bringing + self.parts.pump.ending

    def reconnect(self) -> State:
        """Connect anew at once, by somebody's wish; return how it stood."""
        return self.parts.connection.reconnect()

    async def recover(self) -> None:
        """Take up what the last run left on its way, then open the connection."""
        parts, background = self.parts, self._background
        await parts.pushes.recover()
        await parts.recovery.look()
        parts.connection.listeners += [
            parts.recovery.begin,
            parts.bubbles.resume,
            parts.pushes.wake,
        ]
        background.keep(parts.bubbles.run, name="wecom connection bubbles")
        background.keep(parts.connection.run, name="wecom connection")

    async def close_leaked(self) -> int:
        """Finish the bubbles that nobody will finish any more; return how many. Raises StoreError."""
        return await self.parts.bubbles.close_leaked()

    async def close(self) -> None:
        """Finish what is shown, let go of the connection, and keep what it brought: it comes once."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await self.parts.bubbles.close()
        await self.parts.connection.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(KEEP_S):
                while self.parts.reception.busy:  # noqa: ASYNC110 - a wait of moments, at the very end
                    await asyncio.sleep(LOOK_S)

    async def let_go(self) -> None:
        """Let go of every connection: there is none any more."""


def build_connection(
    settings: Settings,
    accept: Acceptor,
    store: Store,
    background: Background,
    clock: Clock,
    timing: Timing,
    take: Take,
) -> ConnectionChannel:
    """Put the channel together; it connects once it has recovered. Needs `wecom.bot.connects`."""
    bot = settings.wecom.bot
    assert bot.secret is not None, "the connection is on"
    secret, pace = bot.secret.get_secret_value(), timing.pace
    language: Language = "en" if settings.chat.language == "en" else "zh"
    key = stream_key(secret)

    async def told(frame: Told) -> None:
        await reception.told(frame)

    async def notice(chat: str, message: str, markdown: str) -> None:
        await pushes.notice(chat, message, markdown)

    connection = Connection(settings.wecom.ws_url, bot.bot_id, secret, told, clock, pace)
    speaker = Speaker(connection, Budget(pace.limits), clock, pace)
    pump = Pump(store, key, speaker, notice, background, clock, timing)
    bubbles = Bubbles(store, key, pump, background, clock, timing)
    uploads = Uploads(connection, clock, pace)
    outlet = ConnectionOutlet(FilesBehind(store, take, clock), bubbles, speaker, uploads)
    pushes = Pushes(store, CONNECTION, outlet, background, clock)
    reader = Wire(
        bot_id=bot.bot_id,
        name=bot.name,
        per_user=settings.chat.group_session == "per_user",
    )
    reception = Reception(reader, accept, store, bubbles, speaker, background, clock, language)
    replies = ConnectionReplies(store, bubbles, pushes, outlet, speaker, background)
    recovery = Recovery(store, bubbles, reception, background, clock, timing)
    parts = Parts(connection, reception, bubbles, pump, pushes, replies, recovery)
    return ConnectionChannel(parts, background, clock)
