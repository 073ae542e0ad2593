"""Taking out of a report what is nobody's business: secrets, where they are, and who people are."""

import hmac
import re
from collections.abc import Iterable, Mapping

from bot.doctor.scene import Scene
from bot.doctor.secret_places import (
    SHORTEST_CHARS,
    named_files,
    secret_entries,
    secret_files,
    secrets_of,
)
from config.logs import Mask

CHAT = re.compile(r"\b(\w+:(?:direct|group)):[^\s\"',\]}]+")
HOLDS_SECRET = re.compile(r"(?i)key|token|secret|password|credential")
DIGITS = 8


def known_secrets(scene: Scene) -> list[str]:
    """Return all that may be a secret and that we know of, whether it is valid or not."""
    settings = secrets_of(scene).values(), scene.settings.secrets()
    named = [
        value
        for name, value in scene.environ.items()
        if HOLDS_SECRET.search(name) and name not in named_files(scene.environ)
    ]
    given = [scene.environ.get(entry.env, "") for entry in secret_entries() if entry.env]
    found = (value for values in (*settings, named, given) for value in values)
    return sorted({value for value in found if len(value) >= SHORTEST_CHARS}, key=len, reverse=True)


class Redactor:
    """Cleans texts, and everything that holds some.

    ``places`` are paths and the words that stand in for them; ``people`` are ids, each of which
    becomes the same word wherever it stands, and another one in the next archive (``salt``).
    """

    def __init__(
        self,
        secrets: Iterable[str],
        *,
        places: Mapping[str, str] | None = None,
        people: Iterable[str] = (),
        salt: bytes = b"",
    ) -> None:
        self._mask = Mask()
        self._mask.hide(*secrets)
        self._places = sorted((places or {}).items(), key=lambda one: len(one[0]), reverse=True)
        self._salt = salt
        self._people = _any_of(people) if salt else None

    def text(self, text: str) -> str:
        """Return a text without what it must not hold."""
        text = self._mask.clean(text)
        for path, word in self._places:
            text = text.replace(path, word)
        if self._people is not None:
            text = self._people.sub(lambda found: self.stand_in(found[0]), text)
            text = CHAT.sub(lambda found: f"{found[1]}:{self.stand_in(found[0])}", text)
        return text

    def value(self, value: object) -> object:
        """Return a value of JSON with every text in it cleaned, names of members included."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(name)): self.value(held) for name, held in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(held) for held in value]
        return value

    def stand_in(self, name: str) -> str:
        """Return the word for somebody."""
        known = name.rpartition(":")[2].lower()
        return f"id-{hmac.digest(self._salt, known.encode(), 'sha256').hex()[:DIGITS]}"


def for_chat(scene: Scene) -> Redactor:
    """Return what an answer in a chat goes through: no secret, and no path of one."""
    places = {str(file.path): f"‹{file.what}›" for file in secret_files(scene)}
    return Redactor(known_secrets(scene), places=places)


def _any_of(people: Iterable[str]) -> re.Pattern[str] | None:
    """Return what finds any of the ids, also as names of folders spell them."""
    spelled = {name for one in people for name in (one, re.sub(r"[^A-Za-z0-9]+", "-", one))}
    longest_first = sorted(spelled - {"", "-", "*"}, key=len, reverse=True)
    if not longest_first:
        return None
    words = "|".join(re.escape(name) for name in longest_first)
    return re.compile(rf"(?<![A-Za-z0-9_])(?:{words})(?![A-Za-z0-9_])", re.IGNORECASE)
