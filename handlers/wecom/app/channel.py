"""A self-built application, put together."""

from collections import Counter

from aiohttp import web

from bot.background import Background
from bot.clock import Clock
from bot.messages import Replies
from bot.texts import Language
from config.settings import Settings
from handlers.platform import Acceptor
from handlers.wecom.app.api import CorpApi
from handlers.wecom.app.app_callback import AppCallback, Ways
from handlers.wecom.app.app_wire import APP, AppWire
from handlers.wecom.app.fetcher import AppMedia
from handlers.wecom.app.markup import parser
from handlers.wecom.app.outlet import AppOutlet
from handlers.wecom.app.replies import AppReplies
from handlers.wecom.bubbles import stream_key
from handlers.wecom.budget import HOUR_MS, MARGIN_MS, Budget
from handlers.wecom.envelope import Envelope
from handlers.wecom.files import FilesBehind, Take
from handlers.wecom.pushes import Pushes
from handlers.wecom.timing import Timing
from store import Store

COUNTED_MS = HOUR_MS + MARGIN_MS  # WeCom counts what was sent in the last hour


class AppChannel:
    """The application, as the root sees it."""

    name = APP

    def __init__(
        self, callback: AppCallback, replies: AppReplies, pushes: Pushes, api: CorpApi, clock: Clock
    ) -> None:
        self._callback = callback
        self._replies = replies
        self._pushes = pushes
        self._clock = clock
        self.api = api

    @property
    def routes(self) -> list[web.RouteDef]:
        """What the web application serves for it."""
        return self._callback.door.routes

    @property
    def replies(self) -> Replies:
        """How the engine answers here."""
        return self._replies

    @property
    def fetcher(self) -> AppMedia:
        """How the media are had that its messages name."""
        return AppMedia(self.api)

    async def recover(self) -> None:
        """Take up what the last run left on its way; the first thing that a start does."""
        since = self._clock() - COUNTED_MS
        pushed = await self._replies.store.deliveries.pushed(self.name, since)
        self._replies.outlet.remember(pushed)
        await self._pushes.recover()

    @property
    def counts(self) -> Counter[str]:
        """What came since the start: message, repeat, event, `refused <reason>` and others."""
        return self._callback.door.counts

    @property
    def last_at(self) -> int:
        """When WeCom called last, in Unix milliseconds; 0 if it never did."""
        return self._callback.door.last_at

    @property
    def facts(self) -> dict[str, object]:
        """How it stands, for whoever looks after the service."""
        facts: dict[str, object] = {
            "last_callback_at": self.last_at,
            "callbacks": dict(self.counts),
            "api": "ok" if self.api.proved_at else "not asked yet",
            "api_ok_at": self.api.proved_at,
            "token_until": self.api.token_until,
        }
        trouble = self.api.trouble
        if trouble is None:
            return facts
        rule = trouble.rule
        told = {"code": trouble.code, "since": trouble.since, "asked_again_at": trouble.until}
        if rule.reaction != "stop":
            return facts | told | {"api": "waiting"}
        words = f"errcode {trouble.code}: {rule.meaning}; {rule.mend}"
        return facts | told | {"api": "stopped", "trouble": words}

    @property
    def posting(self) -> int:
        """How many jobs push something at this moment."""
        return self._pushes.posting

    async def close_leaked(self) -> int:
        """Finish nothing: an application has no bubbles."""
        return 0

    async def close(self) -> None:
        """Keep nothing more: what is shown was kept before it was said."""

    async def let_go(self) -> None:
        """Let go of every connection, once nothing is on its way any more."""
        await self.api.close()


def build_app(
    settings: Settings,
    accept: Acceptor,
    store: Store,
    background: Background,
    clock: Clock,
    timing: Timing,
    take: Take,
) -> AppChannel:
    """Put the application together; needs `wecom.app.on`."""
    app = settings.wecom.app
    assert app.secret is not None, "the application is on"
    assert app.token is not None, "the application is on"
    assert app.aes_key is not None, "the application is on"
    parser()  # loaded now, and not while the first message waits
    aes_key = app.aes_key.get_secret_value()
    api = CorpApi(settings.wecom.api_url, app.corp_id, app.secret.get_secret_value(), clock)
    outlet = AppOutlet(
        api, app.agent_id, Budget(), clock, timing.again_after_s, FilesBehind(store, take, clock)
    )
    pushes = Pushes(store, APP, outlet, background, clock)
    language: Language = "en" if settings.chat.language == "en" else "zh"
    callback = AppCallback(
        Envelope(app.token.get_secret_value(), aes_key, app.corp_id),
        AppWire(corp_id=app.corp_id, agent_id=app.agent_id),
        accept,
        Ways(stream_key(aes_key), pushes, outlet, store, background),
        clock,
        language,
        app.corp_id,
    )
    background.start(api.prove(), name="wecom app token")
    replies = AppReplies(store, pushes, outlet, background, clock)
    return AppChannel(callback, replies, pushes, api, clock)
