"""What rendering needs to know besides the summary: the frame around it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bot.opencode.model import PermissionRequest, QuestionRequest
from bot.texts import Language

Detail = Literal["quiet", "normal", "full"]


@dataclass(frozen=True, slots=True)
class Pending:
    """A request that waits for a person, with the code that people type.

    ``count`` is how many equal requests it stands for, ``of_child`` whether a sub-agent asks,
    ``tool`` the tool that it is for, where that is known.
    """

    code: str
    request: PermissionRequest | QuestionRequest
    asked_at: int
    expires_at: int | None = None
    count: int = 1
    of_child: bool = False
    tool: str = ""


@dataclass(frozen=True, slots=True)
class Frame:
    """A running turn's surroundings. Times are Unix milliseconds; ``model`` is provider/model.

    ``note`` is one line above the progress, such as a diagnosis; ``live_link`` the turn's page;
    ``kept`` what was shown of the answer before a restart, until the summary has more.
    """

    n: int
    title: str
    agent: str
    model: str
    detail: Detail
    language: Language
    now: int
    started_at: int
    asks: Sequence[Pending] = ()
    note: str = ""
    live_link: str = ""
    kept: str = ""
