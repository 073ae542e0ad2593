"""What happened in a run, as peers saw it: nothing of the service's own word is in it."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Message:
    """One message of a person and what became of it.

    ``finals`` are the answers that were shown unasked, ``asked`` those after ``/result``. ``shown``
    is what its bubble showed before its end, ``last`` its end (None while it is open), ``later``
    what WeCom was told about the same bubble afterwards, ``attempts`` how each copy was answered.
    ``rewritten``: nobody heard it, the channel repeats nothing, and its sender wrote another one.
    """

    word: str
    chat: str
    msgid: str = ""
    acknowledged: bool = True
    rewritten: bool = False
    prompts: int = 1
    finals: tuple = ()
    asked: tuple = ()
    shown: tuple = ()
    last: str | None = "the end"
    later: tuple = ()
    streams: tuple = ()
    attempts: tuple = ("ok",)


@dataclass(frozen=True)
class Prompt:
    """What OpenCode was asked: in which session of which folder, and what ran there by then."""

    word: str
    session: str
    directory: str
    while_busy: bool = False


@dataclass(frozen=True)
class Refusal:
    """An answer of the service that WeCom would have refused."""

    code: str
    detail: str
    msgid: str


@dataclass(frozen=True)
class History:
    """A whole run. ``open_turns``, ``kept`` and ``integrity`` are read from the database after its end.

    ``files`` were sent, ``whole_files`` stood in prompts, each byte of them.
    """

    messages: tuple = ()
    prompts: tuple = ()
    refusals: tuple = ()
    sessions: dict = field(default_factory=dict)  # of each folder, how many were opened
    open_turns: tuple = ()
    kept: frozenset = frozenset()
    files: int = 0
    whole_files: int = 0
    integrity: str = "ok"
    leaks: tuple = ()
    exit_code: int = 0
    crashed: bool = True
