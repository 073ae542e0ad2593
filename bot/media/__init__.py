"""What people send beside words: fetched, kept, put into the workspace, handed to OpenCode."""

from bot.media.fetching import Download, Fetcher, Sources
from bot.media.handing import Handed
from bot.media.media import Media

__all__ = ["Download", "Fetcher", "Handed", "Media", "Sources"]
