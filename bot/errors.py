"""What can go wrong, as a tree.

Error
├── UserError            the sender can mend it; its text is shown in the chat
├── PeerError            a service failed us
│   ├── OpenCodeError        it answered with an error
│   │   └── SessionGone          the session is unknown to the server
│   ├── OpenCodeUnavailable  no answer, or none that we can read: it may have acted all the same
│   ├── WeComError           WeCom refused a call
│   └── MediaError           something that a person sent cannot be had
├── BadEnvelope          a callback that is not WeCom's, or not whole
├── UpgradeError         an upgrade of OpenCode cannot go on; its text says why and what to do
├── BackupError          a backup cannot be made or restored; its text says why and what to do
└── StartError           the service cannot start; its text says why and what to do

StoreError (``store.errors``, which stands below and has its own root)
├── StoreFull            no space: nothing was written, a later try may succeed
├── TurnLost             another process holds the turn by now: this one lets go of it
├── StoreBroken          an I/O error: nothing can be promised any more, the process must end
└── StoreUnusable        the store cannot be opened
"""

import os

from bot.texts import Text
from store.errors import StoreBroken, StoreError, StoreFull, TurnLost

__all__ = [
    "BackupError",
    "BadEnvelope",
    "Error",
    "MediaError",
    "OpenCodeError",
    "OpenCodeUnavailable",
    "PeerError",
    "SessionGone",
    "StartError",
    "StoreBroken",
    "StoreError",
    "StoreFull",
    "TurnLost",
    "UpgradeError",
    "UserError",
    "WeComError",
    "facts_of",
    "system_words",
]


class Error(Exception):
    """The root of everything that ``bot``, ``handlers`` and ``commands`` raise by intent."""


class UserError(Error):
    """A mistake or a limit that the sender can do something about."""

    def __init__(self, text: Text, **facts: object) -> None:
        super().__init__(text.en)
        self.text = text
        self.facts = facts


class PeerError(Error):
    """A service that we depend on failed us."""


class OpenCodeError(PeerError):
    """OpenCode answered with an error.

    ``status`` is the HTTP status, ``name`` OpenCode's name of the error
    (``NotFoundError`` …, empty when it gave none), ``message`` its words.
    """

    def __init__(self, status: int, path: str, *, name: str = "", message: str = "") -> None:
        super().__init__(f"{path}: {status} {name} {message}".strip())
        self.status = status
        self.path = path
        self.name = name
        self.message = message


class SessionGone(OpenCodeError):
    """The session does not exist on the server (any more)."""


class OpenCodeUnavailable(PeerError):
    """OpenCode gave no answer: not reachable, cut off, too slow, or not OpenCode at all.

    ``sent`` is False when the request certainly did not reach it.
    """

    def __init__(self, message: str, *, sent: bool = True) -> None:
        super().__init__(message)
        self.sent = sent


class WeComError(PeerError):
    """WeCom refused a call; ``code`` is its ``errcode``, or the HTTP status below zero."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code} {message}")
        self.code = code
        self.message = message


class MediaError(PeerError):
    """A medium cannot be had; ``cause`` is a word for the log, ``again``: another try may help."""

    def __init__(self, cause: str, *, again: bool = False) -> None:
        super().__init__(cause)
        self.cause = cause
        self.again = again


def facts_of(exc: BaseException) -> str:
    """Return what a log may say of a failure: never OpenCode's words, which may be a person's."""
    if isinstance(exc, OpenCodeError):
        return f"{type(exc).__name__} {exc.status} {exc.name} {exc.path}"
    return repr(exc)


class BadEnvelope(Error):
    """A sealed message that we must not believe. Says what was wrong, never what was in it."""


class BackupError(Error):
    """A backup cannot be made or restored. The message is a sentence for the operator."""


class UpgradeError(Error):
    """OpenCode cannot be upgraded or rolled back. The message is a sentence for the operator."""


class StartError(Error):
    """The service cannot start. The message is a sentence for the operator, with the mend."""


def system_words(exc: OSError) -> str:
    """Return what the system says of a failure, without what a library puts around it."""
    if exc.errno is not None and exc.errno > 0:
        return os.strerror(exc.errno).lower()
    return exc.strerror or str(exc)
