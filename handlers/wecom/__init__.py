"""WeCom (企业微信): the channels by which it reaches us, together one edge."""

from collections import Counter

import structlog
from aiohttp import web

from bot.background import Background
from bot.clock import Clock
from bot.media import Sources
from bot.messages import CALLBACK, Outlets
from config.settings import Settings
from handlers.platform import Acceptor, BringsMedia, Channel
from handlers.wecom.app.app_wire import APP
from handlers.wecom.app.channel import build_app
from handlers.wecom.callback_channel import build_callback
from handlers.wecom.connection.channel import ConnectionChannel, build_connection
from handlers.wecom.connection.reception import CONNECTION
from handlers.wecom.files import Take, nothing, told
from handlers.wecom.media import Downloads
from handlers.wecom.outcome import Outcome
from handlers.wecom.timing import Timing
from store import Store

log = structlog.get_logger()

DOUBT = Outcome("doubtful", "the service was cut off")
# Of each channel, its name in the settings and in health.
CHANNELS = {CALLBACK: "wecom.bot", CONNECTION: "wecom.connection", APP: "wecom.app"}


class WeCom:
    """All channels that are on, as the root sees them."""

    def __init__(self, channels: list[Channel], store: Store, downloads: Downloads) -> None:
        self.channels = channels
        self._downloads = downloads
        self._store = store

    @property
    def routes(self) -> list[web.RouteDef]:
        """What the web application serves for them."""
        return [route for channel in self.channels for route in channel.routes]

    def open_outlets(self, outlets: Outlets) -> None:
        """Let the engine answer by them."""
        for channel in self.channels:
            outlets.put(channel.name, channel.replies)

    def open_sources(self, sources: Sources) -> None:
        """Let media be fetched that they bring: by an address each, unless a channel has its own way."""
        for channel in self.channels:
            own = channel.fetcher if isinstance(channel, BringsMedia) else self._downloads
            sources.put(channel.name, own)

    async def recover(self) -> None:
        """Take up what the last run left on its way; the first thing that a start does.

        What a channel owes that is off now leaves by one that is on.
        """
        names = [channel.name for channel in self.channels]
        for left in await self._store.deliveries.channels():
            if left not in names:
                await self._stand_in(left, names[0])
        for channel in self.channels:
            await channel.recover()

    async def _stand_in(self, off: str, on: str) -> None:
        """Take over what a channel owes; what was on its way by it, nobody can tell any more."""
        deliveries = self._store.deliveries
        for one in await deliveries.all_sending(off):
            words = await told(self._store, one, DOUBT)
            await deliveries.settle(one.id, "unknown", DOUBT.cause, via=off, words=words)
            log.warning(
                "delivery.doubted", delivery=one.id, turn=one.turn, via=off, cause=DOUBT.cause
            )
        await deliveries.move_house(off, on, groups=on != APP)

    @property
    def counts(self) -> Counter[str]:
        """What came since the start: message, repeat, poll, event, `refused <reason>` and others."""
        total: Counter[str] = Counter()
        for channel in self.channels:
            total += channel.counts
        return total

    def troubles(self) -> dict[str, str]:
        """Name the channels that are down, each with the reason that its facts give."""
        told = {CHANNELS[one.name]: str(one.facts.get("trouble") or "") for one in self.channels}
        return {name: trouble for name, trouble in told.items() if trouble}

    def reconnect(self) -> str | None:
        """Open the long connection anew at once; return how it stood, None without one."""
        for channel in self.channels:
            if isinstance(channel, ConnectionChannel):
                return channel.reconnect()
        return None

    async def close_leaked(self) -> int:
        """Finish the bubbles that nobody will finish any more; return how many. Raises StoreError."""
        return sum([await channel.close_leaked() for channel in self.channels])

    @property
    def posting(self) -> int:
        """How many jobs bring answers without having been asked at this moment."""
        return sum(channel.posting for channel in self.channels)

    async def close(self) -> None:
        """Keep what is shown."""
        for channel in self.channels:
            await channel.close()

    async def let_go(self) -> None:
        """Let go of every connection, once nothing is on its way any more."""
        for channel in self.channels:
            await channel.let_go()
        await self._downloads.close()


def build(
    settings: Settings,
    accept: Acceptor,
    store: Store,
    background: Background,
    clock: Clock,
    *,
    timing: Timing | None = None,
    take: Take = nothing,
) -> WeCom | None:
    """Put the channels together that are on, and start their lasting jobs; None without any.

    ``take`` reads the files that go with answers.
    """
    timing = timing or Timing()
    channels: list[Channel] = []
    if settings.wecom.bot.on:
        channels.append(build_callback(settings, accept, store, background, clock, timing))
    if settings.wecom.bot.connects:
        channels.append(build_connection(settings, accept, store, background, clock, timing, take))
    if settings.wecom.app.on:
        channels.append(build_app(settings, accept, store, background, clock, timing, take))
    return WeCom(channels, store, Downloads.of(settings, CALLBACK)) if channels else None
