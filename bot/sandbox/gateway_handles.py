"""The ids that callbacks carry and that replies must name: what each is good for, and how long."""

import re
import secrets
from dataclasses import dataclass, field

from bot.clock import Clock
from bot.sandbox.cipher import Refused
from bot.sandbox.gateway_frames import Excused
from bot.sandbox.payloads import Payload
from bot.sandbox.rules import CLICK, Reply
from bot.sandbox.talk import Talk
from bot.sandbox.timing import Timing

RUN = re.compile(r"([0-9a-f]{8})\.[\w-]+$")
ANSWERED = ("enter_chat", CLICK)


@dataclass(slots=True, eq=False)
class Handle:
    """What a callback was about. ``talk`` is set for a message, ``kind`` is then empty."""

    chat: str
    msgid: str
    kind: str
    at: int
    talk: Talk | None = None
    facts: Payload = field(default_factory=dict)
    reply: Reply | None = None


class Handles:
    """Gives out ids and tells what they stand for."""

    def __init__(self, timing: Timing, clock: Clock) -> None:
        self._timing = timing
        self._clock = clock
        self._given: dict[str, Handle] = {}
        self._forgotten: set[str] = set()
        self._run = secrets.token_hex(4)  # every id says which run of ours gave it out

    def __contains__(self, req_id: str) -> bool:
        return req_id in self._given

    def about(self, req_id: str) -> tuple[str, str] | None:
        """Return the chat and the message that an id is for; None when we did not give it out."""
        handle = self._given.get(req_id)
        return (handle.chat, handle.msgid) if handle else None

    def message(self, talk: Talk) -> str:
        """Return an id for the replies to a message."""
        return self._give(Handle(talk.chat, talk.msgid, "", self._clock(), talk))

    def event(self, chat: str, msgid: str, kind: str, facts: Payload) -> tuple[str, Handle]:
        """Return an id for the reply to an event, and what it stands for."""
        handle = Handle(chat, msgid, kind, self._clock(), facts=facts)
        return self._give(handle), handle

    def of_message(self, req_id: str) -> tuple[Handle, Talk]:
        """Return the message that a reply names; ``Refused`` when it names none."""
        handle = self._find(req_id)
        if handle.talk is None:
            raise Refused("req_id_kind", f"that of {handle.kind}, which takes no such reply")
        if self._clock() - handle.at >= self._timing.req_id_life_s * 1000:
            raise Refused("req_id_expired", "a message may be replied to for a day")
        return handle, handle.talk

    def of_event(self, req_id: str, kind: str) -> Handle:
        """Return the event that a reply names, for one reply within its time."""
        handle = self._find(req_id)
        if handle.kind != kind:
            raise Refused("req_id_kind", f"that of {handle.kind or 'a message'}, not of {kind}")
        if self._clock() - handle.at >= self._timing.answer_s * 1000:
            raise Refused("too_late", f"{kind} is answered within {self._timing.answer_s} s")
        if handle.reply is not None:
            raise Refused("second_reply", f"{kind} is answered once")
        return handle

    def forget(self, talk: Talk) -> None:
        """Let a message's replies be refused from now on, which is nobody's fault."""
        self._forgotten |= {req_id for req_id, one in self._given.items() if one.talk is talk}

    def _give(self, handle: Handle) -> str:
        self._forget()
        req_id = f"{self._run}.{secrets.token_urlsafe(12)}"
        self._given[req_id] = handle
        return req_id

    def _find(self, req_id: str) -> Handle:
        handle = self._given.get(req_id)
        if req_id in self._forgotten:
            raise Excused("req_id_unknown", "told to forget it")
        if handle is not None:
            return handle
        run = RUN.match(req_id)
        if run is not None and run[1] != self._run:
            raise Excused("req_id_unknown", "given out before the start")
        raise Refused("req_id_unknown", "no callback had this req_id")

    def _forget(self) -> None:
        """Forget the oldest, twice as late as they were of use."""
        too_old = self._clock() - int(self._timing.req_id_life_s * 2000)
        while self._given:
            oldest = next(iter(self._given))
            if self._given[oldest].at > too_old:
                return
            del self._given[oldest]
