"""A turn while it runs, as the lane, the commands and the viewer see it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Literal

from bot.errors import OpenCodeError, OpenCodeUnavailable
from bot.messages import ReplyStream
from bot.opencode.model import ServerError
from bot.render import Pending
from bot.summary import Summary, begin
from bot.texts import Language, Text
from store.records import ChatRecord, TurnRecord

Why = Literal["stop", "force", "timeout", "steps", "restart", "recycle", "upgrade"]
SERVER_ENDS = frozenset({"recycle", "upgrade"})


@dataclass(frozen=True, slots=True)
class Stopped:
    """The outcome of a stop: which turn, and whether it was over when we stopped waiting."""

    n: int
    over: bool


@dataclass(frozen=True, slots=True)
class Halt:
    """A wish to end a turn before its time; ``by`` is a person, empty for the service itself."""

    why: Why
    by: str
    at: int


@dataclass(slots=True)
class Running:
    """One turn in its lane. Only the turn's own job writes here, but for ``halt``."""

    record: TurnRecord
    chat: ChatRecord
    started_at: int
    deadline: int
    resumed: bool  # it was under way before: how it stands has to be read
    reply: ReplyStream
    summary: Summary = field(init=False)
    directory: str = ""
    notes: list[str] = field(default_factory=list)  # lines that stand on top of the progress
    note: str = ""  # what it waits for, in words; empty while all is well
    warning: str = ""  # what is worth saying while it runs, and no more when it is over
    error: ServerError | None = None  # why the server did not take the prompt
    calling: bool = False  # a command's call has not returned: its prompt may not be stored yet
    unheard: bool = False  # it ended without OpenCode's word: its session may be at work
    sent_at: int = 0
    busy_at: int = 0  # when a look last found the session at work
    uncalled: OpenCodeUnavailable | None = None  # why that call certainly never began
    files: int = 0  # how many its prompt handed over
    bare: bool = False  # its files are only named: they were not taken as they are
    halt: Halt | None = None
    left: bool = False  # somebody does not want to wait for OpenCode's word
    stuck: bool = False  # it was asked to end, and is still at work long after
    reading: asyncio.Timeout | None = None  # what ends a read under way
    halted: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    asks: list[Pending] = field(default_factory=list)
    stalled: bool = False
    shown: str = ""  # the progress as it was last rendered
    shown_at: int = 0
    kept: str = ""  # the text that the store has

    def __post_init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Start the summary anew: the prompt has got its id."""
        self.summary = begin(self.record.session, self.record.prompt, self.started_at)

    @property
    def language(self) -> Language:
        """The language of everything that is said about this turn."""
        return self.record.language

    @property
    def prompted(self) -> bool:
        """Whether OpenCode may know of it."""
        return self.record.prompt_state != "none"

    @property
    def text(self) -> str:
        """The answer so far; after a restart what the store had of it, until there is more."""
        return max(self.summary.text, self.record.answer, key=len)

    @property
    def alive_at(self) -> int:
        """When the session last gave a sign of work, counted from the sending at the earliest."""
        return max(self.sent_at, self.busy_at, self.summary.last_event_at)

    def ask_to_end(self, halt: Halt) -> None:
        """Wish that the turn ends; the first wish counts, until the server itself is to end."""
        known = self.halt
        if known and (halt.why not in SERVER_ENDS or known.why in SERVER_ENDS):
            return
        self.halt, self.stuck = halt, False
        self.halted.set()
        if self.reading is not None and not self.reading.expired():
            self.reading.reschedule(0)

    @contextlib.asynccontextmanager
    async def unless_halted(self, limit_s: float | None) -> AsyncIterator[None]:
        """Read something of the server; raises TimeoutError after ``limit_s``, or at a new wish to end."""
        try:
            async with asyncio.timeout(limit_s) as self.reading:
                yield
        finally:
            self.reading = None

    def tell(self, text: Text, **facts: object) -> None:
        """Put a line on top of everything that is shown of this turn, unless it stands there."""
        self.tell_line(text.say(self.language, **facts))

    def tell_line(self, line: str) -> None:
        """Put a line there that is in words already."""
        if line not in self.notes:
            self.notes.append(line)


def as_failure(exc: OpenCodeError) -> ServerError:
    """Return a refusal as a turn's failure. Its HTTP status is OpenCode's, not a provider's."""
    return ServerError(name=exc.name, message=exc.message or str(exc), status=None)
