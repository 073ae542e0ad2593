"""Numbered places where a drill kills the process, to see what a crash there would cost."""

import os
import signal
from collections.abc import Mapping

VARIABLE = "TEST_CRASHPOINT"


class _Armed:
    """One point, and how often it is still to be passed alive."""

    def __init__(self, name: str, passage: int) -> None:
        self.name = name
        self.left = passage

    def passed(self, name: str) -> None:
        """Count a passage; the last one kills."""
        if name != self.name:
            return
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


_armed: list[_Armed] = []


def crashpoint(name: str) -> None:
    """Die here if a drill wants it; otherwise this is one look at an empty list."""
    if _armed:
        _armed[0].passed(name)


def on_sent(name: str) -> dict[str, object]:
    """Return what makes an httpx request pass a point once it has left, before its answer is read."""
    if not _armed:
        return {}

    async def trace(event: str, _facts: object) -> None:
        if event.endswith("send_request_body.complete"):
            crashpoint(name)

    return {"trace": trace}


def arm(environ: Mapping[str, str]) -> None:
    """Take ``TEST_CRASHPOINT=C07:3``: die at the third passage of C07. Raises ValueError."""
    wanted = environ.get(VARIABLE)
    if wanted:
        name, _, passage = wanted.partition(":")
        _armed[:] = [_Armed(name, int(passage or "1"))]
