"""Files that go with an answer, without a workspace behind them."""

from bot.errors import UserError
from bot.messages import Medium, Sendable
from bot.texts import files as texts


def sendable(path, content=b"content", kind="file", *, gone=False):
    async def read():
        if gone:
            raise UserError(texts.SEND_NONE, path=path)
        return Medium(path.rpartition("/")[2], kind, content)

    return Sendable(path, kind, len(content), read)
