"""WeCom's stand-in, with a record of how its connections ended."""

from collections import Counter

from bot.sandbox.caller import Caller, NotAnswered

REFUSED = "ClientConnectorError"  # nobody listens: WeCom knows that the message was not taken


class Witness(Caller):
    """Calls as the stand-in does; ``broken`` counts what a peer should never see, by its kind."""

    def __init__(self, standin):
        super().__init__(standin.callback_url, standin.cipher, standin._clock)
        self.broken = Counter()
        self.refused = 0
        self._standin = standin
        self._former = standin._caller

    async def __aenter__(self):
        await super().__aenter__()
        self._standin._caller = self._standin._conversation._caller = self
        return self

    async def __aexit__(self, *exc):
        self._standin._caller = self._standin._conversation._caller = self._former
        await super().__aexit__(*exc)

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
