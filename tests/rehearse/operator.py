"""The command without the contract, which has tests of its own: the short rehearsal's."""

import sys

from bot import __main__ as command
from bot.contract import Outcome
from bot.upgrade import canary


async def prove(*_, **__):
    """Take the contract for held."""
    return [Outcome("start", held=True, words="")]


if __name__ == "__main__":
    canary.prove = prove
    sys.exit(command.main())
