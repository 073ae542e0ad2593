"""What a platform package and the rest of the service are to each other."""

from typing import Protocol

from bot.messages import InboundMessage, PlatformEvent


class Opening(Protocol):
    """How a message's bubble begins.

    ``finished``: this is all; otherwise a turn goes on in it. ``prefix`` stays on top
    for the bubble's whole life: an answer that had waited for this contact.
    """

    @property
    def markdown(self) -> str:
        """What it shows."""

    @property
    def finished(self) -> bool:
        """Whether that is its last word."""

    @property
    def prefix(self) -> str:
        """What stays above it."""


class Acceptor(Protocol):
    """Whoever decides what becomes of a message; a platform knows nothing else of the service."""

    async def accept(
        self, message: InboundMessage, stream: str, *, may_stay_open: bool
    ) -> Opening | None:
        """Keep the message and say how its bubble begins; None: nothing is to be said.

        Raises ``StoreError`` when it could not be kept.
        """

    async def event(self, event: PlatformEvent) -> str | None:
        """Record what happened; returns a welcome for who opens the chat."""
