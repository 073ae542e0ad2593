"""Keeps two messages of one text apart: WeCom drops the second while it looks out for copies."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

import orjson

from bot.clock import Clock
from handlers.wecom.app.parts import Body

COPIES_S = 1800  # for so long WeCom takes an equal message to one person for a copy
MARGIN_MS = 60_000


@dataclass(slots=True)
class _Text:
    """One text to one person: the deliveries that said it, and when the last one did."""

    at: int = 0
    deliveries: list[int] = field(default_factory=list)


class Twins:
    """Remembers what was said lately. A repeat of one delivery stays equal to its first try."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._texts: dict[bytes, _Text] = {}

    def __len__(self) -> int:
        return len(self._texts)

    def apart(self, member: str, delivery: int, bodies: Iterable[Body]) -> list[Body]:
        """Return the messages of a delivery, with a number below what another one said as well."""
        self._forget()
        return [self._apart(member, delivery, body) for body in bodies]

    def _apart(self, member: str, delivery: int, body: Body) -> Body:
        key = hashlib.sha256(orjson.dumps((member, body))).digest()
        # Whatever was said last stands last, so that the old ones are found at the front.
        text = self._texts.pop(key, _Text())
        self._texts[key] = text
        text.at = self._clock()
        if delivery not in text.deliveries:
            text.deliveries.append(delivery)
        number = text.deliveries.index(delivery) + 1
        words = body.get("markdown")
        if number == 1 or not isinstance(words, dict):
            return body
        return {**body, "markdown": {"content": f"{words['content']}\n({number})"}}

    def _forget(self) -> None:
        old = self._clock() - COPIES_S * 1000 - MARGIN_MS
        while self._texts and next(iter(self._texts.values())).at <= old:
            del self._texts[next(iter(self._texts))]
