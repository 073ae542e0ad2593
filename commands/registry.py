"""What a slash command is, how a message becomes one, and who may use which."""

import difflib
import re
import unicodedata
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import structlog

from bot.access import Role, at_least
from bot.errors import OpenCodeUnavailable, PeerError, UserError
from bot.messages import InboundMessage, Medium
from bot.services import Services
from bot.texts import Language
from bot.texts import commands as texts
from bot.texts.about import About, Topic
from store.records import ChatRecord, TurnKind

log = structlog.get_logger()

SLASHES = ("/", "／")
CODE = re.compile(r"[a-z][0-9][a-z]")  # as bot.asks.codes makes them; no word looks like one
LIKE_A_CODE = re.compile(r"(?![0-9]+$)[a-z0-9]{3}")  # a code misread, or of somebody's memory
NEAR = 0.5  # of difflib's likeness, for a word to be worth offering


@dataclass(frozen=True, slots=True)
class Parsed:
    """A message that is a command: its word without the slash, and what follows it."""

    name: str
    rest: str


@dataclass(frozen=True, slots=True)
class Submit:
    """A command's wish that a turn is accepted for its message; ``forced``: before all others.

    ``retry_of`` names the turn whose quote and attachments the new one takes over.
    """

    text: str
    kind: TurnKind = "prompt"
    forced: bool = False
    retry_of: int | None = None


@dataclass(frozen=True, slots=True)
class Show:
    """What a command says, with pictures (JPG or PNG) that stand in the reply itself.

    ``otherwise`` is what to say where the reply cannot hold them any more.
    """

    IMAGE_BYTES: ClassVar[int] = 10 * 1024 * 1024  # of each, in a reply of the callback

    text: str
    images: tuple[Medium, ...]
    otherwise: str


@dataclass(frozen=True, slots=True)
class Invocation:
    """One use of a command. ``rest`` is the text behind its name, ``args`` the words of it."""

    name: str
    rest: str
    args: tuple[str, ...]
    message: InboundMessage
    chat: ChatRecord
    language: Language
    role: Role | None
    services: Services


# What may follow a bare alias: nothing, the code of an ask, or a code and words of one's own.
Followed = Literal["nothing", "code", "words"]
Outcome = str | Submit | Show
Handler = Callable[[Invocation], Awaitable[Outcome]]


@dataclass(frozen=True, slots=True)
class Command:
    """A verb that people type. ``role`` is the least that may; None: everybody, admitted or not.

    ``bare`` are words that mean it only without a slash and alone; ``followed`` is what may
    follow its bare alias.
    """

    name: str
    alias: tuple[str, ...]
    topic: Topic
    about: About
    role: Role | None
    bare: tuple[str, ...]
    followed: Followed
    handler: Handler

    def open_to(self, role: Role | None) -> bool:
        """Tell whether somebody of this role may use the command."""
        return self.role is None or at_least(role, self.role)


def command(
    name: str,
    *,
    alias: tuple[str, ...],
    topic: Topic,
    about: About,
    role: Role | None = "member",
    bare: tuple[str, ...] = (),
    followed: Followed = "nothing",
) -> Callable[[Handler], Command]:
    """Make a coroutine a command; it returns what to say or a turn to accept, or raises UserError."""

    def declare(handler: Handler) -> Command:
        return Command(name, alias, topic, about, role, bare, followed, handler)

    return declare


class Commands:
    """The visible list."""

    def __init__(self, *commands: Command) -> None:
        self._commands = commands
        self._by_word = {
            word: command for command in commands for word in (command.name, *command.alias)
        }
        self._by_bare = {word: command for command in commands for word in command.bare}

    def __iter__(self) -> Iterator[Command]:
        return iter(self._commands)

    def parse(self, text: str) -> Parsed | None:
        """Return the command that ``text`` is, known or not; None for ordinary text."""
        return _slashed(text) if text.startswith(SLASHES) else self._bare(text)

    def find(self, name: str) -> Command | None:
        """Return the command called ``name``, in either language."""
        return self._by_word.get(_folded(name))

    def nearest(self, name: str) -> str | None:
        """Return the known word, without its slash, that ``name`` was most likely meant to be."""
        folded = _folded(name)
        for word in sorted(self._by_word, key=len, reverse=True):
            if folded.startswith(word):  # "/切换3": the number stands too close
                return word
        near = difflib.get_close_matches(folded, self._by_word, n=1, cutoff=NEAR)
        return near[0] if near else None

    async def run(self, invocation: Invocation) -> Outcome:
        """Carry out a command that exists; whatever the person can be told is a UserError."""
        found = self.find(invocation.name)
        assert found is not None, "only a command that was found is run"
        if not found.open_to(invocation.role):
            raise UserError(texts.NOT_FOR_ROLE, command=found.name)
        try:
            return await found.handler(invocation)
        except PeerError as exc:
            log.info("command.unserved", command=found.name, error=type(exc).__name__)
            away = isinstance(exc, OpenCodeUnavailable)
            text = texts.OPENCODE_AWAY if away else texts.OPENCODE_REFUSED
            raise UserError(text, command=found.name) from exc

    def _bare(self, text: str) -> Parsed | None:
        """Return the command of an alias without a slash: the whole message, or one with a code."""
        word, rest = _first_word(text.rstrip())
        found, word = self.find(word), _folded(word)
        if meant := self._by_bare.get(word):
            return None if rest else Parsed(meant.name, "")
        if found is None or word not in found.alias:
            return None
        if not rest or _is_decision(rest, found.followed):
            return Parsed(word, rest)
        return None


def _slashed(text: str) -> Parsed | None:
    word, rest = _first_word(text[1:])
    if not word or any(slash in word for slash in SLASHES):
        return None
    return Parsed(_folded(word), rest)


def _first_word(text: str) -> tuple[str, str]:
    """Split at the first white space; nothing is the first word of a text that begins with some."""
    if not text or text[0].isspace():
        return "", text.strip()
    word, *rest = text.split(maxsplit=1)
    return word, rest[0].rstrip() if rest else ""


def _is_decision(rest: str, followed: Followed) -> bool:
    """Tell whether words behind a bare alias begin with a code, or with what must be meant as one."""
    if followed == "nothing":
        return False
    code, *words = rest.split(maxsplit=1)
    if CODE.fullmatch(_folded(code)):
        return True
    return LIKE_A_CODE.fullmatch(_folded(code)) is not None and (followed == "words" or not words)


def _folded(word: str) -> str:
    return unicodedata.normalize("NFKC", word).casefold()
