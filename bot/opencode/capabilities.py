"""What a server can do of the things in which releases of OpenCode differ.

Asked where it can be asked without harm, else known by the version; ``bot.contract`` compares
what is known here with what each release shows.
"""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Self

SKILLS = "/skill"
ASKED = (SKILLS,)
"""Calls that we can do without: whether a server has them is asked at its start."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What one server can do. Everything but ``skills`` is known by its version.

    ``deltas``: words come in events of their own, not with the whole text so far.
    ``heartbeats``: the event stream beats every ten seconds.
    ``partial_text``: what was written is kept by the server when a turn is stopped.
    ``agent_errors``: a prompt for an unknown agent fails with an event.
    ``session_home``: a prompt runs where its session was opened, not where the call says.
    ``metadata``: a session keeps whose it is.
    ``database``: sessions are kept in a database that later releases take over.
    ``skills``: it has skills, and lists them.
    """

    deltas: bool = True
    heartbeats: bool = True
    partial_text: bool = True
    agent_errors: bool = True
    session_home: bool = True
    metadata: bool = True
    database: bool = True
    skills: bool = True

    @classmethod
    def of(cls, version: str, missing: Collection[str] = ()) -> Self:
        """Return those of a version; ``missing``: calls that it does not answer.

        Where releases between two that were looked at were not, they are taken for the older
        one; a version that we cannot read is taken for a new one.
        """
        number = number_of(version) or (10**6,)
        return cls(
            deltas=number >= (1, 2),
            heartbeats=number >= (1, 2),
            partial_text=number < (1, 2) or number >= (1, 14, 34),
            agent_errors=number >= (1, 3),
            session_home=number >= (1, 15, 13),
            metadata=number >= (1, 15, 13),
            database=number >= (1, 2),
            skills=SKILLS not in missing,
        )

    def facts(self) -> dict[str, bool]:
        """Return them by name."""
        return asdict(self)

    @property
    def lacking(self) -> tuple[str, ...]:
        """Return the names of what the server cannot do."""
        return tuple(name for name, can in self.facts().items() if not can)

    @property
    def lacks(self) -> tuple[str, ...]:
        """Return what people miss by that, a sentence each; what we make up for is none."""
        return tuple(MISSED[name] for name in self.lacking if name in MISSED)


MISSED = {
    "agent_errors": (
        "A prompt for an unknown agent fails without a word: its turn ends some seconds later, "
        "and cannot say why."
    ),
    "metadata": (
        "A session does not keep whose it is: where the service is killed in the moment in which "
        "it opens one, an empty session stays behind."
    ),
    "database": (
        "Sessions are kept in files that no later release takes over: an upgrade loses them."
    ),
}


def number_of(version: str) -> tuple[int, ...] | None:
    """Return a version as numbers that compare; None for what is no plain version."""
    pieces = version.removeprefix("v").split(".")
    if len(pieces) != len(("major", "minor", "patch")) or not all(map(_is_number, pieces)):
        return None
    return tuple(map(int, pieces))


def _is_number(piece: str) -> bool:
    return piece.isascii() and piece.isdigit()
