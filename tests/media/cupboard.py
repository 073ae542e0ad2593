"""Files that go with answers, without a workspace behind them."""

from bot.errors import UserError
from bot.messages import Medium
from bot.texts import files as texts
from store.records import NewDelivery


class Cupboard:
    """Holds files by their paths; one that was never put there has gone."""

    def __init__(self):
        self.files = {}
        self.taken = []

    def put(self, *paths, content=b"content"):
        self.files |= dict.fromkeys(paths, content)

    async def take(self, _workspace, path):
        self.taken.append(path)
        if path not in self.files:
            raise UserError(texts.SEND_NONE, path=path)
        return path, Medium(path.rpartition("/")[2], "file", self.files[path])


def file_of(turn, path, at):
    """What the end of a turn leaves for a file that goes with its answer."""
    return NewDelivery(turn.chat, None, turn.message, f"not sent: {path}", "", "", at, path)
