"""What became of something that was sent to WeCom."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from bot.messages import Sent
from bot.render import path_of
from bot.texts import Language, Text
from bot.texts import engine as texts
from bot.texts import media as media_texts

TOLD: dict[Sent, Text] = {"refused": media_texts.REFUSED, "doubtful": media_texts.DOUBTFUL}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a post.

    ``unsent``: it never left us; ``limited``: not taken now, but the address is good;
    ``refused``: the address was not good; ``barred``: neither would another be;
    ``doubtful``: nobody can tell. ``doubt``: of a repeat that is to be made again, as it did
    not leave: the cause of what it was to clear.
    """

    kind: Literal["sent", "unsent", "limited", "refused", "barred", "doubtful"]
    cause: str = ""
    doubt: str = ""


def unsent(files: Iterable[tuple[str, Sent]], turn: int, language: Language) -> str:
    """Return what to say of an answer's files (name, what became of it), empty when all arrived."""
    of: dict[Sent, list[str]] = {}
    for name, sent in files:
        of.setdefault(sent, []).append(path_of(name))
    comma = texts.COMMA.say(language)
    lines = [
        text.say(language, names=comma.join(of[sent]), n=turn)
        for sent, text in TOLD.items()
        if sent in of
    ]
    return "\n".join(lines)
