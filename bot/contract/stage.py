"""Where a scene plays: a server, its model, a service, and the conversations that it begins."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.asks import Request
from bot.contract.program import Program
from bot.contract.room import PLATFORM, SENDER, Room
from bot.errors import Error
from bot.messages import Chat
from bot.opencode.feed import Feed
from bot.opencode.model import Message, at_work
from bot.sandbox.model import ScriptedModel
from bot.sandbox.script import say
from bot.summary import Summary
from bot.turns import Running
from store.records import AskRecord, TurnKind, TurnRecord

LOOK_S = 0.02
SOON_S = 60.0  # for what the server does at once: the machine may be busy with other things
END_S = 120.0


class NotHeld(Error):
    """A scene saw something else than it should have; says what."""


def must(holds: object, words: str) -> None:
    """Go on only while this is so; ``words`` say what was seen instead."""
    if not holds:
        raise NotHeld(words)


async def until(holds: Callable[[], object], words: str, limit_s: float = SOON_S) -> None:
    """Wait for what another process brings about and nobody announces; ``words``: it did not."""
    ends = time.monotonic() + limit_s
    while not holds():
        must(time.monotonic() < ends, f"{words} within {limit_s:.0f} s")
        await asyncio.sleep(LOOK_S)


async def read_until(
    read: Callable[[], Awaitable[object]], words: str, limit_s: float = SOON_S
) -> None:
    """Read until what comes is good."""
    ends = time.monotonic() + limit_s
    while not await read():
        must(time.monotonic() < ends, f"{words} within {limit_s:.0f} s")
        await asyncio.sleep(LOOK_S)


@dataclass
class Talk:
    """One message of a person, the turn that it became, and what is known of its life."""

    room: Room
    chat: Chat
    n: int
    patience_s: float = SOON_S
    _running: Running | None = None

    @property
    def over(self) -> bool:
        """Whether its answer was handed over."""
        return self.room.ear.of(self.n).over.is_set()

    @property
    def running(self) -> Running | None:
        """The turn as it runs, or as it was when it ended."""
        now = self.room.turns.running(self.chat.key)
        if now is not None and now.record.n == self.n:
            self._running = now
        return self._running

    @property
    def summary(self) -> Summary:
        """What was folded so far."""
        running = self.running
        if running is None:
            raise NotHeld("the turn was over before it was seen to run")
        return running.summary

    @property
    def session(self) -> str:
        """The OpenCode session that it runs in."""
        return self.running.record.session if self.running else ""

    @property
    def directory(self) -> str:
        """The folder that it works in."""
        return self.running.directory if self.running else ""

    async def begun(self) -> None:
        """Return when its turn has come."""
        await until(lambda: self.running or self.over, "its turn did not begin", END_S)

    async def shows(self, words: str) -> None:
        """Return when the answer so far holds ``words``."""
        await self.begun()
        await until(
            lambda: words in self.summary.text,
            f"{words!r} was not shown while it was written",
            self.patience_s,
        )

    async def ends(self, outcome: str, limit_s: float = END_S) -> TurnRecord:
        """Return the turn once it has ended as it should."""
        await self.begun()
        await until(lambda: self.over, f"the turn did not end (wanted: {outcome})", limit_s)
        record = await self.room.store.turns.get(self.n)
        assert record is not None, "turns are kept"
        said = f", OpenCode said {record.reason[:200]!r}" if record.reason else ""
        must(record.outcome == outcome, f"it ended as {record.outcome}, not as {outcome}{said}")
        return record

    async def answers(self, text: str) -> TurnRecord:
        """Return the turn once it has ended with this answer."""
        record = await self.ends("answered")
        must(record.answer == text, f"the answer was {record.answer[:200]!r}, not {text!r}")
        return record

    async def asked(self) -> AskRecord:
        """Return what the agent waits for, once the service knows of it."""
        await self.begun()
        found: list[AskRecord] = []

        async def look() -> bool:
            must(not self.over, "the turn ended without asking")
            found[:] = await self.room.asks.open(self.chat.key)
            return bool(found)

        await read_until(look, "nobody was asked", self.patience_s)
        return found[0]

    async def allow(self) -> None:
        """Wait for what is asked, and allow it once."""
        ask = await self.asked()
        await self.room.asks.allow(self.chat.key, ask.code, by=SENDER, role="admin")

    async def stop(self) -> None:
        """Wish for its end, as /stop does."""
        await self.room.turns.stop(self.chat.key, by=SENDER)

    async def messages(self) -> list[Message]:
        """Return all that the server has of the session."""
        return await self.room.client.messages(self.session)

    async def waiting(self) -> list[Request]:
        """Return what the server lists as waiting in its session."""
        permissions = await self.room.client.permissions(self.directory)
        questions = await self.room.client.questions(self.directory)
        requests: list[Request] = [*permissions, *questions]
        return [one for one in requests if one.session == self.session]

    async def rests(self) -> None:
        """Go on only if the server says that nothing runs in its session."""
        busy = at_work(await self.room.client.status(self.directory), self.session)
        must(not busy, "the server says that the session is still at work")


@dataclass
class Stage:
    """What a scene is given. Its ``word`` is in no other scene's prompts, so that models tell."""

    program: Program
    model: ScriptedModel
    room: Room
    word: str
    folder: Path
    patience_s: float = SOON_S
    chats: int = 0

    @property
    def feed(self) -> Feed:
        """The event stream."""
        assert self.room.feed is not None, "the stage's own room follows events"
        return self.room.feed

    def chat(self) -> Chat:
        """Return a chat of the scene's own."""
        self.chats += 1
        return Chat(PLATFORM, "direct", f"{self.word}-{self.chats}")

    async def write(
        self,
        text: str,
        chat: Chat | None = None,
        *,
        kind: TurnKind = "prompt",
        room: Room | None = None,
        wish: Mapping[str, str] | None = None,
    ) -> Talk:
        """Write a message, whatever runs; ``wish``: the agent or model that its chat shall have."""
        room, chat = room or self.room, chat or self.chat()
        room.choices.wishes[chat.key] = wish or {}
        turn = await room.accept(chat, text, kind=kind)
        return Talk(room, chat, turn.n, self.patience_s)

    async def say(
        self,
        text: str,
        chat: Chat | None = None,
        *,
        kind: TurnKind = "prompt",
        room: Room | None = None,
        wish: Mapping[str, str] | None = None,
    ) -> Talk:
        """Write a message, and return when its turn runs."""
        talk = await self.write(text, chat, kind=kind, room=room, wish=wish)
        await talk.begun()
        return talk

    def attach(self, words: str, *parts: Mapping[str, object]) -> None:
        """Let prompts with these words carry attachments."""
        self.room.client.attachments[words] = parts

    async def asked(self, words: str, count: int = 1) -> None:
        """Return when the model was asked so often with these words."""
        await until(
            lambda: len(self.model.asked(words)) >= count,
            f"the model was not asked {count} times",
            self.patience_s,
        )

    async def goes_on(self, talk: Talk) -> None:
        """Go on only if the chat's next message is answered as if nothing had been."""
        words = f"{self.word} goes on {talk.n}"
        self.model.script(words, say("It goes on."))
        again = await self.say(words, talk.chat, room=talk.room)
        await again.answers("It goes on.")
        must(again.session == talk.session, "the next message came into another session")


Play = Callable[[Stage], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Scene:
    """One behaviour that the service relies on. ``says`` is a true sentence where it holds.

    ``short``: among the few that an upgrade waits for. ``alone``: nothing else may run beside it.
    """

    name: str
    says: str
    play: Play
    short: bool = False
    alone: bool = False
