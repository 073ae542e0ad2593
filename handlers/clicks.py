"""A press of a card: decided by the rules of the typed command, then shown on the card."""

import asyncio
from dataclasses import dataclass, field

import structlog

from bot.asks import pending_of
from bot.background import Background
from bot.cards import Card, Click, Update, subject_of
from bot.errors import UserError
from bot.messages import PlatformEvent
from bot.render.cards import SPENT, Outcome, Place, ask_card, lost_card, over_card, working_card
from bot.services import Services
from bot.texts import cards as texts
from store.records import AskRecord, NewDelivery

log = structlog.get_logger()

DECIDE_S = 3.0  # WeCom waits 5 s, counted from its own sending


@dataclass(slots=True)
class Errand:
    """A decision on its way to OpenCode, and whether somebody still waits for what comes of it.

    ``ask`` is the one of the card, or an equal of it that was decided in its stead.
    """

    ask: AskRecord
    refusal: UserError | None = None
    done: asyncio.Event = field(default_factory=asyncio.Event)
    late: bool = False


class Clicks:
    """Decides what people press. The card says it to everybody; a refusal to whom it is for alone."""

    def __init__(self, services: Services, background: Background) -> None:
        self._services = services
        self._background = background

    async def answer(self, event: PlatformEvent, click: Click) -> Update:
        """Decide, and return how the card looks then. Raises ``StoreError``."""
        chat = event.chat.key if event.chat else ""
        ask = await self._services.asks.of_card(chat, subject_of(click.task))
        if ask is None:
            return Update(lost_card(click.task, "zh"), only=event.sender)
        place = await self._place(ask, click)
        if click.key == SPENT:
            return await self._shown(ask, place, click)
        if self._services.access.role(event.sender) is None:
            note = texts.NOT_ADMITTED.say(place.language)
            return await self._shown(ask, place, click, note=note, only=event.sender)
        errand = Errand(ask)
        self._background.start(
            self._run(errand, event, click), name=f"press of the card of {ask.id}"
        )
        try:
            async with asyncio.timeout(DECIDE_S):
                await errand.done.wait()
        except TimeoutError:
            errand.late = True
            return Update(working_card(pending_of(ask), place))
        if errand.refusal is None:
            return await self._shown(errand.ask, place, click)
        note = self._words(errand.refusal, place)
        return await self._shown(ask, place, click, note=note, only=event.sender)

    async def _run(self, errand: Errand, event: PlatformEvent, click: Click) -> None:
        try:
            errand.ask = await self._decide(errand.ask, event, click)
        except UserError as exc:
            errand.refusal = exc
        finally:
            errand.done.set()
        if errand.late and errand.refusal is not None:
            await self._bring(errand.refusal, errand.ask, event, click)

    async def _decide(self, ask: AskRecord, event: PlatformEvent, click: Click) -> AskRecord:
        role = self._services.access.role(event.sender)
        assert role is not None, "strangers were told so"
        assert event.chat is not None, "a card stands in a chat"
        chat, by = event.chat.key, event.sender
        return await self._services.asks.press(chat, ask.id, click, by=by, role=role)

    async def _place(self, ask: AskRecord, click: Click) -> Place:
        turn = await self._services.store.turns.get(ask.turn)
        link = self._services.links.page(ask.turn) or ""
        return Place(click.task, ask.turn, turn.language if turn else "zh", link)

    async def _shown(
        self, ask: AskRecord, place: Place, click: Click, *, note: str = "", only: str = ""
    ) -> Update:
        """Return the card as the request stands now; once it is over nobody else needs to know why."""
        now = await self._services.asks.find(ask.id) or ask
        pending = pending_of(now)
        if now.state == "open":
            card: Card | None = ask_card(pending, place, note=note)
            return Update(card or lost_card(place.task, place.language), only=only)
        outcome = Outcome(now.state, now.decision, now.decided_by)
        return Update(over_card(pending, place, outcome, () if note else click.ticked))

    def _words(self, refusal: UserError, place: Place) -> str:
        return refusal.text.say(place.language, **refusal.facts)

    async def _bring(
        self, refusal: UserError, ask: AskRecord, event: PlatformEvent, click: Click
    ) -> None:
        """Say why a decision came to nothing that took longer than a platform waits."""
        place = await self._place(ask, click)
        delivery = await self._services.store.deliveries.add(
            NewDelivery(
                chat=ask.chat,
                turn=None,
                message=event.id,
                body=self._words(refusal, place),
                footer="",
                more="",
                at=self._services.clock(),
            )
        )
        await self._services.outlets.of(event.channel).deliver(delivery.id)
