"""How far a move to another release is: on the disk before each step, so that any crash is survived."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import orjson

from bot.errors import UpgradeError
from bot.opencode.files import write_durably

Command = Literal["upgrade", "rollback"]
# In this order. From `hold` on the server is down, from `start` on the new release has the data.
Step = Literal["freeze", "drain", "hold", "save", "try", "restore", "switch", "start", "check"]
STEPS: tuple[Step, ...] = (
    *("freeze", "drain", "hold", "save", "try"),
    *("restore", "switch", "start", "check"),
)
BACK: tuple[Step, ...] = ("hold", "restore", "switch", "start", "check")
UNTOUCHED: tuple[Step, ...] = ("start", "check")  # nothing but the old release had the data
Outcome = Literal["", "done", "undone"]


@dataclass(frozen=True, slots=True)
class Journal:
    """One move from a release to another, forward or, when ``back``, home again.

    ``step`` is how far it came, ``home`` how far the way back is, once ``back`` is set.
    ``before`` and ``after``: what is written down of the chosen release; ``backup`` is where the
    data of before go; ``restores`` the backup whose data are put in place, of a rollback; ``touched``:
    the data may not be those of before any more; ``counts``: messages by session, before.
    """

    command: Command
    origin: str
    target: str
    before: dict[str, object]
    after: dict[str, object]
    backup: str
    started_at: int
    restores: str = ""
    step: Step = "freeze"
    back: bool = False
    home: Step = "hold"
    touched: bool = False
    counts: dict[str, int] | None = None
    outcome: Outcome = ""
    why: str = ""
    ended_at: int = 0

    @property
    def why_held(self) -> str:
        """What a hold says of it."""
        return f"{self.command} of OpenCode {self.origin} to {self.target}"

    @property
    def over(self) -> bool:
        """Whether it came to an end, one or the other."""
        return self.outcome != ""

    @property
    def goal(self) -> str:
        """The version that is to run at the end."""
        return self.origin if self.back else self.target

    def but(self, **changes: object) -> "Journal":
        """Return it with changes."""
        return replace(self, **changes)  # type: ignore[arg-type]  # names and types are the caller's

    def keep(self, file: Path) -> "Journal":
        """Write it down, on the disk when this returns."""
        write_durably(file, orjson.dumps(asdict(self)))
        return self


def load(file: Path) -> Journal | None:
    """Read the journal of the last move; None when there was none."""
    try:
        return Journal(**orjson.loads(file.read_bytes()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as exc:
        raise UpgradeError(
            f"{file} cannot be read, so it is not known how far the last upgrade came. Look at "
            "`opencode status` and at the backup that it names, then remove the file."
        ) from exc
