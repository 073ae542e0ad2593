"""Following without events (``opencode.follow = "poll"``): nothing is ever heard, so all is read."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from bot.opencode.feed import Following

Follow = Callable[[str, str], AbstractContextManager[Following]]


class Silence(Following):
    """A follower's end of a feed that does not exist."""

    async def next(self, timeout_s: float) -> None:
        """Wait out the time."""
        await asyncio.sleep(timeout_s)


def follow_nothing(session: str, directory: str) -> AbstractContextManager[Following]:
    """Follow a session by reading alone."""
    return nullcontext(Silence(session, directory))
