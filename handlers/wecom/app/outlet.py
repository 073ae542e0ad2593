"""What an application says of its own accord: messages to one member, one after another.

https://developer.work.weixin.qq.com/document/path/90236
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from weakref import WeakValueDictionary

import structlog

from bot.cards import Card, Update
from bot.clock import Clock
from bot.messages import Answer
from handlers.wecom.app.api import Call, CorpApi
from handlers.wecom.app.app_wire import APP
from handlers.wecom.app.media import uploaded
from handlers.wecom.app.parts import Body, markdown, messages_of
from handlers.wecom.app.said import Said
from handlers.wecom.app.twins import COPIES_S, Twins
from handlers.wecom.budget import Budget
from handlers.wecom.cards import card_body, whole
from handlers.wecom.files import FilesBehind
from handlers.wecom.outcome import Outcome
from handlers.wecom.polls import answer_of
from handlers.wecom.wire import PLATFORM
from store.crashpoints import crashpoint
from store.records import Delivery

log = structlog.get_logger()

DIRECT = f"{PLATFORM}:direct:"
EVERYBODY = "@all"
UPDATE_CARD = "/cgi-bin/message/update_template_card"
UPLOADS = 3  # of a file of which nobody can tell how far they got
MOST_CARDS = 200  # remembered; one waits for seconds
COPIES_MS = COPIES_S * 1000
NO_ROOM = Outcome("limited", "as much was said as WeCom brings in a minute or an hour")
RESTARTED_MS = COPIES_MS - 60_000  # younger: a repeat is a copy, which WeCom does not show again


class AppOutlet:
    """The one place that sends to members. WeCom drops what is too much without a word: we wait."""

    def __init__(
        self,
        api: CorpApi,
        agent_id: int,
        budget: Budget,
        clock: Clock,
        again_after_s: float,
        files: FilesBehind,
    ) -> None:
        self.api = api
        self._files = files
        self._agent_id = agent_id
        self._budget = budget
        self._clock = clock
        self._again_after_s = again_after_s
        self._twins = Twins(clock)
        self._brought: dict[int, int] = {}  # of a delivery under way, how many messages arrived
        self._doubts: dict[int, int] = {}  # of a delivery, since when a message of it may be there
        self._cut_off: dict[int, int] = {}  # the same, of those that the last run began
        self._cards: dict[int, tuple[Card, ...]] = {}  # of a delivery, how it looks best
        self._lines: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @property
    def up(self) -> bool:
        """Whether WeCom's API may be asked now."""
        return self.api.up

    async def push(self, delivery: Delivery) -> Outcome:
        """Bring a delivery as one or several messages; what arrived of it is not sent again."""
        member = member_of(delivery.chat)
        if not member:
            return Outcome("barred", "an application has no groups")
        doubts = (self._doubts.get(delivery.id), self._cut_off.get(delivery.id))
        if any(since and self._clock() - since >= RESTARTED_MS for since in doubts):
            self._forget(delivery.id)
            return Outcome("doubtful", "a repeat might be seen")
        body = self._files.ready(delivery.id)
        bodies = [dict(body)] if body else self._words(member, delivery.id, answer_of(delivery))
        cards = self._cards.get(delivery.id, ())
        async with self._line(member):
            if cards:
                outcome = await self._bring_cards(member, delivery.id, bodies, cards)
            else:
                outcome = await self._bring(member, delivery.id, bodies)
        if outcome.kind not in {"unsent", "limited"}:
            self._forget(delivery.id)
        return outcome

    async def load(self, delivery: Delivery) -> Outcome | None:
        """Read and upload a file before it is marked as on its way; None once it can leave."""
        member = member_of(delivery.chat)
        if not member or self._files.ready(delivery.id) is not None:
            return None
        if not self.has_room(member):
            return NO_ROOM
        opened = await self._files.open(delivery)
        if isinstance(opened, str):
            body: Body | Outcome = self._words(member, delivery.id, Answer(opened))[0]
        else:
            body = await uploaded(self.api, opened)
        if isinstance(body, Outcome):
            if body.kind != "doubtful":
                return body
            # At the worst it lies with WeCom, and nobody sees it there.
            return replace(body, kind="unsent" if delivery.attempts + 1 < UPLOADS else "barred")
        self._files.keep(delivery.id, body)
        return None

    def _words(self, member: str, delivery: int, answer: Answer) -> Sequence[Body]:
        return self._twins.apart(member, delivery, messages_of(answer))

    def remember(self, pushed: Sequence[Delivery]) -> None:
        """Know what the last run has sent, oldest first: WeCom counts it, and looks out for copies."""
        for one in pushed:
            member = member_of(one.chat)
            for _ in self._words(member, one.id, answer_of(one)):
                self._budget.spend(member, one.changed_at)

    def draw(self, delivery: int, cards: Sequence[Card]) -> None:
        """Let a delivery leave as cards; not after a restart: it has its words."""
        self._cards[delivery] = tuple(cards)
        for oldest in list(islice(self._cards, max(0, len(self._cards) - MOST_CARDS))):
            del self._cards[oldest]

    async def update_card(self, member: str, response_code: str, update: Update) -> Outcome:
        """Put a card in the place of the one that a member clicked."""
        body = {
            "userids": [update.only or member],
            "agentid": self._agent_id,
            "response_code": response_code,
            "template_card": card_body(update.card),
        }
        return (await self.api.call(Call(UPDATE_CARD, body=body))).outcome

    async def again(self, delivery: Delivery) -> Outcome:
        """Repeat what was on its way when the service went down, while WeCom knows a copy.

        Of one that was tried or put off before, nobody kept when its first message left: at the
        earliest when it was made.
        """
        if delivery.file:  # its next upload would be another file
            return Outcome("doubtful", "the service was cut off")
        once = delivery.attempts <= 1 and not delivery.next_at
        since = delivery.changed_at if once else delivery.created_at
        if self._clock() - since >= RESTARTED_MS:
            return Outcome("doubtful", "the service was cut off")
        self._cut_off[delivery.id] = since
        log.info("delivery.repeated", delivery=delivery.id, turn=delivery.turn, cause="cut off")
        return await self.push(delivery)

    def doubts(self, delivery: Delivery) -> bool:
        """Tell whether a message of a delivery may be there already, or surely is."""
        doubted = delivery.id in self._doubts or delivery.id in self._cut_off
        return doubted or self._brought.get(delivery.id, 0) > 0

    async def show(self, member: str, words: str, wanted: Callable[[], bool]) -> None:
        """Say how a turn stands, if there is room for that and it is still ``wanted``."""
        line = self._line(member)
        if line.locked() or not self.up or self._budget.wait_ms(member, self._clock()):
            return
        async with line:
            if wanted():
                await self.send(member, markdown(words))

    def has_room(self, member: str) -> bool:
        """Tell whether a member can be sent something more, that must not be lost, at once."""
        return not self._budget.wait_ms(member, self._clock(), final=True)

    async def send(self, member: str, body: Body) -> Said:
        """Send one message, and say what WeCom said."""
        if member == EVERYBODY or "|" in member:  # these would name others
            return Said("answered", 40003, "no member's id")
        self._budget.spend(member, self._clock())
        said = await self.api.call(
            Call(
                "/cgi-bin/message/send",
                body={
                    "touser": member,
                    "agentid": self._agent_id,
                    "enable_duplicate_check": 1,
                    "duplicate_check_interval": COPIES_S,
                    **body,
                },
                point="C19",
            )
        )
        return said if not said.taken else _reached(said, member)

    async def _bring_cards(
        self, member: str, delivery: int, words: Sequence[Body], cards: Sequence[Card]
    ) -> Outcome:
        """Bring cards, behind the words where those say more; where WeCom refuses one, the words."""
        told = [] if all(map(whole, cards)) else words
        drawn: list[Body] = [
            {"msgtype": "template_card", "template_card": card_body(one)} for one in cards
        ]
        outcome = await self._bring(member, delivery, [*told, *drawn])
        if outcome.kind != "barred":
            return outcome
        if told and self._brought.get(delivery, 0) >= len(told):
            return Outcome("sent")
        self._brought.pop(delivery, None)
        return await self._bring(member, delivery, words)

    async def _bring(self, member: str, delivery: int, bodies: Sequence[Body]) -> Outcome:
        left = bodies[self._brought.get(delivery, 0) :]
        if self._budget.left(member, self._clock()) < len(left):
            return NO_ROOM
        for body in left:
            if not self.has_room(member):  # files and cards have left in between
                return NO_ROOM
            crashpoint("C18")
            said_at = self._clock()
            outcome = (await self.send(member, body)).outcome
            crashpoint("C20")
            if outcome.kind == "doubtful":
                outcome = await self._repeated(member, delivery, body, outcome, said_at)
            if outcome.kind != "sent":
                return outcome
            self._doubts.pop(delivery, None)
            self._brought[delivery] = self._brought.get(delivery, 0) + 1
        return Outcome("sent")

    async def _repeated(
        self, member: str, delivery: int, body: Body, first: Outcome, said_at: int
    ) -> Outcome:
        """Send a message once more that may be there: WeCom does not show a copy, for a while."""
        self._doubts.setdefault(delivery, said_at)
        await asyncio.sleep(self._again_after_s)
        return (await self.send(member, body)).outcome if self.has_room(member) else first

    def _forget(self, delivery: int) -> None:
        for memory in (self._brought, self._cards, self._doubts, self._cut_off):
            memory.pop(delivery, None)
        self._files.forget(delivery)

    def _line(self, member: str) -> asyncio.Lock:
        return self._lines.setdefault(member, asyncio.Lock())


def member_of(chat: str) -> str:
    """Return whose direct chat it is, empty for a group."""
    return chat.removeprefix(DIRECT) if chat.startswith(DIRECT) else ""


def _reached(said: Said, member: str) -> Said:
    """Look whom WeCom could not reach: it says so in the small letters of a success."""
    for name in ("invaliduser", "unlicenseduser"):
        missed = said.body.get(name)
        if isinstance(missed, str) and member.lower() in missed.lower().split("|"):
            log.warning("member.missed", channel=APP, member=member, why=name)
            return Said("answered", 81013, name)
    return said
