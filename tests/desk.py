"""A chat with turns over a real store and a real workspace, for tests of files and their pages."""

import itertools
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bot.clock import now_ms
from bot.files import Files, Looked
from store import Store
from store.records import NewChat, NewInbound, NewTurn

CHAT = "wecom:direct:zhangsan"
_numbers = itertools.count(1)


@dataclass
class Desk:
    store: Store
    workspace: Path
    data: Path
    files: Files
    waited: list[float] = field(default_factory=list)
    now: int = 0
    meanwhile: Iterator[object] = field(default_factory=lambda: iter(()))

    def clock(self) -> int:
        return self.now or now_ms()

    async def sleep(self, seconds: float) -> None:
        """Pass the time at once; what a test wants to happen meanwhile happens."""
        self.waited.append(round(seconds, 3))
        next(self.meanwhile, None)

    def write(self, path: str, content: str | bytes = "x\n") -> Path:
        """Write a file that is old enough not to be read twice."""
        file = self.workspace / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    async def begin(self, text: str = "写一个页面", language: str = "zh") -> int:
        """Let a turn begin: queued, claimed, looked at."""
        n = await self.queue(text, language)
        held = await self.store.turns.claim(CHAT, self.clock())
        await self.store.turns.set_session(held, "ses_1", str(self.workspace))
        await self.files.before(n, self.workspace)
        return n

    async def queue(self, text: str = "写一个页面", language: str = "zh") -> int:
        message, at = f"m{next(_numbers)}", self.clock()
        inbound = NewInbound(
            message, CHAT, "zhangsan", "prompt", "", "", f"s-{message}", "", False, "", at
        )
        chat = NewChat(CHAT, "wecom", "direct", "zhangsan", "", language, at)
        turn = NewTurn(
            message, CHAT, "zhangsan", "prompt", text, "", "[]", language, False, True, None, at
        )
        accepted = await self.store.inbox.accept(inbound, chat, turn)
        assert accepted.turn is not None
        return accepted.turn.n

    async def look(self, n: int, *, claimed=(), touched=()) -> Looked:
        turn = await self.store.turns.get(n)
        assert turn is not None
        return await self.files.after(
            n, self.workspace, since=turn.sync_before, claimed=claimed, touched=touched
        )

    async def end(self, n: int, answer: str = "好了", *, state="done", reason="", **look) -> Looked:
        """Let a turn end: looked at again, answered."""
        looked = await self.look(n, **look)
        await self.store.turns.end(
            await self.store.turns.get(n),
            state=state,
            outcome="answered",
            reason=reason,
            stopped_by="",
            answer=answer,
            footer="",
            at=self.clock(),
            delivery=None,
        )
        return looked

    async def content(self, n: int, path: str) -> bytes | None:
        opened = await self.files.open(n, path)
        if opened is None:
            return None
        with os.fdopen(opened.descriptor, "rb") as file:
            return file.read()


def git(folder: Path, *words: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@t", *words],
        cwd=folder,
        check=True,
        capture_output=True,
    )


def settle(folder: Path) -> None:
    """Make every file below ``folder`` an hour old: none of them was written just now."""
    then = time.time() - 3600
    for file in folder.rglob("*"):
        if file.is_file() and not file.is_symlink():
            os.utime(file, (then, then))


def kinds(looked: Looked) -> dict[str, str]:
    return {change.path: change.kind for change in looked.changes}
