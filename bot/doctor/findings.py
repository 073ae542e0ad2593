"""What a look at one thing came to: how it is, what was seen, and the one thing that mends it."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from bot.doctor.scene import Scene
from bot.texts import Text

Grade = Literal["fine", "warning", "error"]
GRADES: tuple[Grade, ...] = get_args(Grade)  # from the best to the worst
LIMIT_S = 10.0  # for a check that says nothing else


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a report.

    ``check`` is ``group.name``; ``evidence`` are plain English words and figures, never a secret
    and never what people wrote; ``mend`` is one command or one sentence, empty when all is fine.
    """

    check: str
    grade: Grade
    title: Text
    evidence: str
    mend: str = ""

    @property
    def group(self) -> str:
        """The first half of the check's name."""
        return self.check.partition(".")[0]


Look = Callable[[Scene], Awaitable[Iterable[Finding]]]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that is looked at, within ``limit_s``; made of a coroutine by ``check``."""

    name: str
    title: Text
    limit_s: float
    look: Look

    @property
    def group(self) -> str:
        """The first half of its name."""
        return self.name.partition(".")[0]

    def fine(self, evidence: str) -> Finding:
        """Return the finding that all is as it should be."""
        return Finding(self.name, "fine", self.title, evidence)

    def warning(self, evidence: str, mend: str) -> Finding:
        """Return the finding of what works and will not for ever, or hardly as it is meant."""
        return Finding(self.name, "warning", self.title, evidence, mend)

    def error(self, evidence: str, mend: str) -> Finding:
        """Return the finding of what does not work, or is not safe."""
        return Finding(self.name, "error", self.title, evidence, mend)


def check(name: str, title: Text, *, limit_s: float = LIMIT_S) -> Callable[[Look], Check]:
    """Make a coroutine a check; titles stand in ``bot.texts.doctor``.

    Within it, its own name is the check: ``return [sizes.fine("2 MB")]``. Its findings bear its
    name and no other; it may return several, or none where there is nothing to look at.
    """

    def declare(look: Look) -> Check:
        return Check(name, title, limit_s, look)

    return declare


def worst(findings: Iterable[Finding]) -> Grade:
    """Return the worst grade there is."""
    return max((finding.grade for finding in findings), key=GRADES.index, default="fine")
