"""What became of something that was sent to WeCom."""

from dataclasses import dataclass
from typing import Literal

from bot.messages import Sent


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


def sent(outcome: Outcome) -> Sent:
    """Say the same of a file that was to be sent."""
    match outcome.kind:
        case "sent" | "doubtful":
            return outcome.kind
        case "unsent" | "limited":
            return "unsent"
        case _:
            return "refused"
