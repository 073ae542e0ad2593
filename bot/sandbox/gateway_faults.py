"""What the gateway can be told to do wrong."""

from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Literal

Fault = int | Literal["drop", "lose", "cut"]


@dataclass(slots=True)
class Faults:
    """How the gateway misbehaves.

    ``slow_s`` comes before each answer; ``mute_groups``: nothing from groups arrives;
    ``away``: no connection is taken.
    """

    slow_s: float = 0.0
    mute_groups: bool = False
    away: bool = False
    _next: defaultdict[str, deque[Fault]] = field(default_factory=lambda: defaultdict(deque))

    def next(self, cmd: str, *faults: Fault) -> None:
        """Say what becomes of the next frames of a command, one fault a frame.

        A number is the error that it is answered with; ``drop`` takes the frame and never answers,
        ``lose`` does not even take it, ``cut`` takes it and breaks the connection.
        """
        self._next[cmd].extend(faults)

    def of(self, cmd: str) -> Fault | None:
        """Spend the next fault of a command."""
        queue = self._next.get(cmd)
        return queue.popleft() if queue else None
