"""A turn as Markdown for people: while it works, when it is over, and what it asks."""

from bot.render.asks import ask, asks, example, for_tool, short
from bot.render.doing import activity, diagnose
from bot.render.final import ChangedFile, Ending, final
from bot.render.frame import Detail, Frame, Pending
from bot.render.pieces import age, path_of, plain, size_of
from bot.render.progress import progress
from bot.render.reasons import reason
from bot.render.unsent import unsent

__all__ = [
    "ChangedFile",
    "Detail",
    "Ending",
    "Frame",
    "Pending",
    "activity",
    "age",
    "ask",
    "asks",
    "diagnose",
    "example",
    "final",
    "for_tool",
    "path_of",
    "plain",
    "progress",
    "reason",
    "short",
    "size_of",
    "unsent",
]
