"""What is told to those who look after the service when a watchdog changes its mind."""

import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

from bot.texts import Language
from bot.texts import caretakers as texts

FACT_CHARS = 300  # of one fact


def words_of(
    name: str, facts: Mapping[str, object], language: Language, place: str, *, well: bool
) -> str:
    """Return what stands in the group: what it is, the facts unless it is over, and where."""
    text = texts.TROUBLES.get(name)
    what = text.say(language) if text else texts.OTHER.say(language, name=name)
    if well:
        return texts.OVER.say(language, what=what, place=place)
    told = "\n".join(f"> {fact}: {_shown(value)}" for fact, value in facts.items())
    return texts.TROUBLE.say(language, what=what, facts=told or ">", place=place)


def place_of(public_url: str | None) -> str:
    """Say which service it is: by the name under which browsers reach it, else by its machine."""
    host = urlsplit(public_url or "").hostname
    return f"opencode-wecom @ {host or socket.gethostname()}"


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        shown = ", ".join(f"{name}: {inner}" for name, inner in value.items())
    elif isinstance(value, list):
        shown = ", ".join(map(str, value))
    else:
        shown = str(value)
    return " ".join((shown or "–")[:FACT_CHARS].split())
