"""WeCom's stand-in, with a record of how its connections ended."""

from collections import Counter

from bot.sandbox.caller import NotAnswered
from tests.stand_in_caller import InPlace

REFUSED = "ClientConnectorError"  # nobody listens: WeCom knows that the message was not taken


class Witness(InPlace):
    """Calls as the stand-in does; ``broken`` counts what a peer should never see, by its kind."""

    def __init__(self, standin):
        super().__init__(standin)
        self.broken = Counter()
        self.refused = 0

    async def raw(self, method, query, body, *, limit_s):
        try:
            return await super().raw(method, query, body, limit_s=limit_s)
        except NotAnswered as exc:
            kind = type(exc.__cause__).__name__
            if kind == REFUSED:
                self.refused += 1
            elif str(exc) == "connection":
                self.broken[kind] += 1
            raise
