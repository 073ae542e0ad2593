"""What the turn engine works with, one of each."""

from dataclasses import dataclass

from bot.asks import Asks
from bot.choices import Choices
from bot.clock import Clock
from bot.files import Files
from bot.links import Links
from bot.media import Media
from bot.opencode.client import OpenCode
from bot.opencode.feed import Feed
from bot.opencode.server import Server
from bot.sessions import Sessions
from config.settings import Settings
from store import Store


@dataclass(frozen=True, slots=True)
class Parts:
    """The engine's surroundings. ``feed`` is None when turns are followed by polling."""

    settings: Settings
    store: Store
    server: Server
    client: OpenCode
    feed: Feed | None
    sessions: Sessions
    choices: Choices
    asks: Asks
    files: Files
    media: Media
    links: Links
    clock: Clock
