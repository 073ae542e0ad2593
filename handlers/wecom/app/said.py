"""What WeCom's API said to one call."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from handlers.wecom.app.codes import OK, rule_of
from handlers.wecom.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Said:
    """The answer to a call.

    ``how``: ``answered`` with ``code``; ``unsent``: it never left us; ``doubtful``: nobody can tell
    what became of it. ``content`` is what came that is no JSON, ``name`` what it is called.
    """

    how: Literal["answered", "unsent", "doubtful"]
    code: int = OK
    cause: str = ""
    body: Mapping[str, object] = field(default_factory=dict)
    content: bytes = b""
    name: str = ""
    whole: bool = True  # else there is more behind ``content``

    @property
    def taken(self) -> bool:
        """Whether WeCom did what it was asked for."""
        return self.how == "answered" and self.code == OK

    @property
    def outcome(self) -> Outcome:
        """What a message has come to that the call was to send."""
        if self.how != "answered":
            return Outcome(self.how, self.cause)
        if self.code == OK:
            return Outcome("sent")
        match rule_of(self.code).reaction:
            case "rest":
                return Outcome("limited", self.cause)
            case "give up":
                return Outcome("barred", self.cause)
            case _:  # a call that may be made again, once something else is mended
                return Outcome("unsent", self.cause)
