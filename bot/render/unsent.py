"""Files that stay in the workspace, named in a line."""

from collections.abc import Sequence

from bot.render.pieces import paths_of
from bot.texts import Language
from bot.texts import engine as texts

NAMED = 10  # the others are counted


def unsent(paths: Sequence[str], n: int, language: Language) -> str:
    """Return the line that names files of turn ``n`` where they are not sent."""
    names = paths_of(paths[:NAMED], language)
    more = len(paths) - NAMED
    text = texts.UNSENT_MORE if more > 0 else texts.UNSENT
    return text.say(language, names=names, more=more, n=n)
