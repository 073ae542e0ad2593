"""Cards: what a person can press or tick, however a platform draws it; and what was pressed."""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

TASK = re.compile(r"[0-9A-Za-z_@-]{1,128}")
SUBJECT = re.compile(r"[0-9A-Za-z_-]{1,100}")

Look = Literal["main", "plain", "danger"]


@dataclass(frozen=True, slots=True)
class Button:
    """Something to press; ``key`` is what a click brings back."""

    text: str
    key: str
    look: Look = "plain"


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer to tick; ``id`` is what a click brings back."""

    id: str
    text: str
    ticked: bool = False


@dataclass(frozen=True, slots=True)
class Fact:
    """A short name and what it is."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class ButtonCard:
    """Something to decide with one press.

    ``link`` opens when the card itself is pressed; ``note`` is what a person should know besides.
    """

    task: str
    title: str
    about: str
    detail: str
    facts: tuple[Fact, ...]
    buttons: tuple[Button, ...]
    link: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class VoteCard:
    """A question with its answers to tick. ``closed``: nobody can any more."""

    task: str
    title: str
    about: str
    choices: tuple[Choice, ...]
    multiple: bool
    submit: Button
    closed: bool = False


@dataclass(frozen=True, slots=True)
class NoticeCard:
    """Something to read, with a link. ``task`` is empty unless it takes another card's place."""

    title: str
    about: str
    detail: str
    facts: tuple[Fact, ...]
    link: str
    task: str = ""


Card = ButtonCard | VoteCard | NoticeCard


@dataclass(frozen=True, slots=True)
class Click:
    """What a person pressed on a card, and what they had ticked."""

    task: str
    key: str
    ticked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Update:
    """How a card looks after a click; ``only``: to that person, empty: to everybody."""

    card: Card
    only: str = ""


@runtime_checkable
class Cards(Protocol):
    """What a reply stream can do besides, where the platform has cards."""

    async def ask(self, markdown: str, cards: Sequence[Card]) -> None:
        """Show requests as cards; ``markdown`` is the same in words, for where there are none.

        Like ``ReplyStream.notify``: an open bubble shows the words by its updates.
        """


def task_of(subject: str) -> str:
    """Return a new name for a card about ``subject``; empty where that cannot be part of one.

    No two cards may have the same name, also when they are about the same.
    """
    return f"{subject}@{secrets.token_hex(4)}" if SUBJECT.fullmatch(subject) else ""


def subject_of(task: str) -> str:
    """Return what a card of ours is about; empty for any other."""
    subject, _, mark = task.rpartition("@")
    return subject if mark and TASK.fullmatch(task) else ""
