"""What a platform package and the rest of the service are to each other."""

from collections import Counter
from typing import Protocol, runtime_checkable

from aiohttp import web

from bot.cards import Update
from bot.media import Fetcher
from bot.messages import InboundMessage, Medium, PlatformEvent, Replies


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

    @property
    def images(self) -> tuple[Medium, ...]:
        """Pictures (JPG or PNG) that stand in a finished one, where the channel can show them."""


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

    async def click(self, event: PlatformEvent) -> Update | None:
        """Decide what a press of a card (``event.click``) means; returns how the card looks then.

        It takes three seconds at most: a platform waits for five. Raises ``StoreError``.
        """


@runtime_checkable
class BringsMedia(Protocol):
    """A channel whose media are had otherwise than by an address of their own."""

    @property
    def fetcher(self) -> Fetcher:
        """How they are fetched."""


class Channel(Protocol):
    """One way by which a platform reaches us, as the root sees it."""

    @property
    def name(self) -> str:
        """What messages, turns and deliveries call it."""

    @property
    def routes(self) -> list[web.RouteDef]:
        """What the web application serves for it."""

    @property
    def replies(self) -> Replies:
        """How the engine answers here."""

    @property
    def counts(self) -> Counter[str]:
        """What came since the start."""

    @property
    def last_at(self) -> int:
        """When something came last, in Unix milliseconds; 0 if nothing ever did."""

    @property
    def facts(self) -> dict[str, object]:
        """How it stands, for whoever looks after the service."""

    @property
    def posting(self) -> int:
        """How many jobs bring answers without having been asked at this moment."""

    async def recover(self) -> None:
        """Take up what the last run left on its way, before anything of this run can be."""

    async def close_leaked(self) -> int:
        """Finish the bubbles that nobody will finish any more; return how many. Raises StoreError."""

    async def close(self) -> None:
        """Take nothing new, and keep what is shown."""

    async def let_go(self) -> None:
        """Let go of every connection, once nothing is on its way any more."""
