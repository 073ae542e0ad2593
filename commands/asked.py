"""What the decisions share: the code of the request that is meant."""

import unicodedata

from bot.access import Role
from bot.errors import UserError
from bot.texts import asks as texts
from bot.texts.about import About
from commands.registry import Invocation


async def code_of(invocation: Invocation, about: About) -> tuple[str, str]:
    """Return the code and the words behind it; a bare decision is none, whatever is open."""
    if not invocation.args:
        opened = await invocation.services.asks.open(invocation.chat.key)
        if not opened:
            raise UserError(texts.NOTHING_OPEN)
        word = about.word.say(invocation.language)
        raise UserError(texts.NO_CODE, verb=word, example=opened[0].code)
    code, *words = invocation.rest.split(maxsplit=1)
    return unicodedata.normalize("NFKC", code).casefold(), words[0] if words else ""


def role_of(invocation: Invocation) -> Role:
    """Return the role of somebody who was let through to a command of members."""
    assert invocation.role is not None, "the registry admits members at least"
    return invocation.role
