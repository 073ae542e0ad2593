"""Files that go with answers, without a workspace behind them."""

import asyncio

from bot.errors import UserError
from bot.messages import Medium
from bot.texts import files as texts
from store.records import NewDelivery


class Cupboard:
    """Holds files by their paths; one that was never put there has gone."""

    def __init__(self):
        self.files = {}
        self.taken = []
        self.doors = asyncio.Event()
        self.doors.set()

    def put(self, *paths, content=b"content"):
        self.files |= dict.fromkeys(paths, content)

    async def take(self, _turn, path):
        self.taken.append(path)
        await self.doors.wait()
        if path not in self.files:
            raise UserError(texts.SEND_NONE, path=path)
        return Medium(path.rpartition("/")[2], "file", self.files[path])


def file_of(turn, path, at):
    """What the end of a turn leaves for a file that goes with its answer."""
    return NewDelivery(turn.chat, None, turn.message, f"not sent: {path}", "", "", at, path)
