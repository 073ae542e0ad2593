"""WeCom (企业微信): the channels by which it reaches us, together one edge."""

from collections import Counter

from aiohttp import web

from bot.background import Background
from bot.clock import Clock
from bot.messages import CALLBACK, Outlets
from config.settings import Settings
from handlers.platform import Acceptor, Channel
from handlers.wecom.callback_channel import build_callback
from handlers.wecom.timing import Timing
from store import Store

CHANNELS = {CALLBACK: "wecom.bot"}  # of each channel, its name in the settings and in health


class WeCom:
    """All channels that are on, as the root sees them."""

    def __init__(self, channels: list[Channel], store: Store) -> None:
        self.channels = channels
        self._store = store

    @property
    def routes(self) -> list[web.RouteDef]:
        """What the web application serves for them."""
        return [route for channel in self.channels for route in channel.routes]

    def open_outlets(self, outlets: Outlets) -> None:
        """Let the engine answer by them."""
        for channel in self.channels:
            outlets.put(channel.name, channel.replies)

    async def recover(self) -> None:
        """Take up what the last run left on its way; the first thing that a start does.

        What is due by a channel that is off now leaves by one that is on.
        """
        names = [channel.name for channel in self.channels]
        for left in await self._store.deliveries.channels():
            if left not in names:
                await self._store.deliveries.move_house(left, names[0])
        for channel in self.channels:
            await channel.recover()

    @property
    def counts(self) -> Counter[str]:
        """What came since the start: message, repeat, poll, event, `refused <reason>` and others."""
        total: Counter[str] = Counter()
        for channel in self.channels:
            total += channel.counts
        return total

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


def build(
    settings: Settings,
    accept: Acceptor,
    store: Store,
    background: Background,
    clock: Clock,
    *,
    timing: Timing | None = None,
) -> WeCom | None:
    """Put the channels together that are on, and start their lasting jobs; None without any."""
    timing = timing or Timing()
    channels: list[Channel] = []
    if settings.wecom.bot.on:
        channels.append(build_callback(settings, accept, store, background, clock, timing))
    return WeCom(channels, store) if channels else None
