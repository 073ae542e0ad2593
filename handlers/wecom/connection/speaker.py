"""Says something in a conversation: within WeCom's limits, and with what became of it in one word."""

import asyncio
import math
from dataclasses import dataclass
from typing import Literal

import structlog

from bot.clock import Clock
from handlers.wecom.budget import Budget
from handlers.wecom.connection import frames
from handlers.wecom.connection.calls import Unanswered, Unsent
from handlers.wecom.connection.connection import Caller
from handlers.wecom.connection.frames import Json, Reaction, Request
from handlers.wecom.connection.pace import Pace
from handlers.wecom.outcome import Outcome

log = structlog.get_logger()

NO_ROOM = "budget"  # the cause where it is we who hold back

Kind = Literal["sent", "unsent", "limited", "refused", "barred", "doubtful"]
KINDS: dict[str, Kind] = {
    "done": "sent",
    "unsent": "unsent",
    "again": "unsent",
    "subscribe": "unsent",
    "stop": "unsent",
    "unanswered": "doubtful",
    "wait": "limited",
    "expired": "refused",
    "elsewhere": "refused",
    "unclear": "refused",
    "barred": "barred",
}


@dataclass(frozen=True, slots=True)
class Conversation:
    """Where WeCom shows something; of the sessions that we keep apart there it knows nothing."""

    id: str
    group: bool

    @property
    def key(self) -> str:
        """The name in the budget."""
        return f"{'group' if self.group else 'direct'}:{self.id}"


@dataclass(frozen=True, slots=True)
class Heard:
    """What came back: a reaction, or that nothing left us, or that nobody answered."""

    kind: Reaction | Literal["unsent", "unanswered"]
    cause: str = ""

    @property
    def outcome(self) -> Outcome:
        """The same for whoever brings a delivery."""
        return Outcome(KINDS[self.kind], self.cause)


class Speaker:
    """The one way to a conversation: replies and pushes count together."""

    def __init__(self, caller: Caller, budget: Budget, clock: Clock, pace: Pace) -> None:
        self._caller = caller
        self._budget = budget
        self._clock = clock
        self.pace = pace

    @property
    def up(self) -> bool:
        """Whether WeCom takes anything now."""
        return self._caller.up

    def wait_s(self, conversation: Conversation) -> float:
        """Return how long an update must wait for room in the budget."""
        return self._budget.wait_ms(conversation.key, _now_ms()) / 1000

    def left(self, conversation: Conversation) -> int:
        """Return how much may still be said there at once."""
        return self._budget.left(conversation.key, _now_ms())

    async def say(
        self,
        conversation: Conversation,
        request: Request,
        *,
        final: bool = True,
        within_s: float = math.inf,
    ) -> Heard:
        """Send a frame, once there is room; what must wait for longer is not sent now.

        ``within_s``: WeCom does not take it later than that.
        """
        limit_s = min(within_s, self.pace.patience_s)
        if not await self._room(conversation, limit_s, final=final):
            return Heard("wait", NO_ROOM)
        if not self.up:
            return Heard("unsent", "not connected")
        self._budget.spend(conversation.key, _now_ms())
        try:
            ack = await self._caller.call(request)
        except Unsent as exc:
            return Heard("unsent", str(exc))
        except Unanswered as exc:
            return Heard("unanswered", str(exc))
        if ack.reaction == "done":
            return Heard("done")
        log.warning("frame.refused", cmd=request.cmd, errcode=ack.code)
        cause = f"errcode {ack.code}"
        if ack.reaction == "wait":
            self._budget.rest(conversation.key, _now_ms() + round(self.pace.rest_s * 1000))
        if ack.reaction == "subscribe":
            self._caller.renew(cause)
        return Heard(ack.reaction, cause)

    async def send(self, conversation: Conversation, body: Json) -> Outcome:
        """Push a message that answers nothing; ``body`` is its type and content. Never repeated."""
        request = frames.send(
            conversation.id, group=conversation.group, body=body, now=self._clock()
        )
        return (await self.say(conversation, request)).outcome

    async def _room(self, conversation: Conversation, limit_s: float, *, final: bool) -> bool:
        """Wait for room, for a moment; False when it takes longer."""
        ends = _now_ms() + limit_s * 1000
        while wait_ms := self._budget.wait_ms(conversation.key, _now_ms(), final=final):
            if _now_ms() + wait_ms > ends:
                return False
            await asyncio.sleep(wait_ms / 1000)
        return True


def _now_ms() -> int:
    """Return a time that nobody sets back."""
    return round(asyncio.get_running_loop().time() * 1000)
