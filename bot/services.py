"""What a command may use."""

from dataclasses import dataclass
from pathlib import Path

from bot.access import Access
from bot.asks import Asks
from bot.choices import Choices
from bot.clock import Clock
from bot.files import Files
from bot.links import Links
from bot.media import Media
from bot.messages import Outlets
from bot.opencode.client import OpenCode
from bot.opencode.feed import Feed
from bot.opencode.server import Server
from bot.sessions import Sessions
from bot.turns import Turns
from config.settings import Settings
from store import Store


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of the service, one of each. ``feed`` is None when turns are followed by polling, ``outlets`` are filled when the edge is there.

    ``file``: where the settings came from.
    """

    settings: Settings
    store: Store
    access: Access
    turns: Turns
    sessions: Sessions
    asks: Asks
    opencode: OpenCode
    choices: Choices
    links: Links
    files: Files
    media: Media
    server: Server
    feed: Feed | None
    clock: Clock
    outlets: Outlets
    file: Path | None = None
