"""A caller that takes the place of a stand-in's own, to see how the service answers it."""

from bot.sandbox.caller import Caller


class InPlace(Caller):
    """Calls as the stand-in does, for as long as it is open."""

    def __init__(self, standin):
        super().__init__(standin.callback_url, standin.cipher, standin._clock)
        self._standin = standin
        self._former = standin._caller

    async def __aenter__(self):
        await super().__aenter__()
        self._standin._caller = self._standin._conversation._caller = self
        return self

    async def __aexit__(self, *exc):
        self._standin._caller = self._standin._conversation._caller = self._former
        await super().__aexit__(*exc)
