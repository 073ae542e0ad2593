"""What has come from WeCom, channel by channel: whether each has shown that it takes what was given."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

BOT, CONNECTION, APP = "wecom.bot", "wecom.connection", "wecom.app"
PROVED = {
    BOT: "WeCom's request has arrived and was answered.",
    CONNECTION: "The long connection is up: WeCom takes the bot's id and Secret.",
    APP: "WeCom's request to the application has arrived and was answered.",
}
STANDS_STILL = frozenset({"down", "kicked", "refused"})  # states of the connection


@dataclass(frozen=True, slots=True)
class Seen:
    """What had come at a moment.

    ``proofs``: how often a channel showed it; ``counts``: what came, by what became of it;
    ``troubles``: why a connection is not up.
    """

    proofs: Mapping[str, int] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    troubles: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, platforms: object) -> "Seen":
        """Read it from how the channels stand, as ``/admin/health`` says it."""
        on = platforms.items() if isinstance(platforms, Mapping) else ()
        proofs: dict[str, int] = {}
        counts: Counter[str] = Counter()
        troubles: dict[str, str] = {}
        for name, facts in on:
            if name not in PROVED or not isinstance(facts, Mapping) or not facts.get("on", True):
                continue
            came = _counts(facts)
            counts.update(came)
            proofs[name] = came.get("verified", 0)
            if name == CONNECTION:
                state = str(facts.get("state"))
                proofs[name] = int(state == "up")
                if state in STANDS_STILL and facts.get("cause"):
                    troubles[name] = f"{state}, {facts['cause']}"
        return cls(proofs, counts, troubles)

    @property
    def callbacks(self) -> "Seen":
        """What a later look is compared with: a connection that was up already is a proof, too."""
        return Seen({name: n for name, n in self.proofs.items() if name != CONNECTION}, self.counts)

    def proved_since(self, before: "Seen") -> set[str]:
        """Return the channels that have shown it since."""
        return {name for name, n in self.proofs.items() if n > before.proofs.get(name, 0)}


def _counts(facts: Mapping[object, object]) -> dict[str, int]:
    told = facts.get("callbacks")
    if not isinstance(told, Mapping):
        return {}
    return {str(name): count for name, count in told.items() if isinstance(count, int)}
