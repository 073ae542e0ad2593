"""The hold over OpenCode: a file by which an upgrade keeps new turns, and then the server, back.

Written by ``opencode upgrade`` and ``rollback``, read by the service twice a second: so it holds
whether the service is up, down, or started anew meanwhile, and a dead command's hold is seen.
"""

import asyncio
import contextlib
import fcntl
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

import orjson
import structlog

from bot.opencode.files import write_durably
from bot.opencode.process import Process, started_at

log = structlog.get_logger()

# frozen: no new turn starts; held: and a managed server is ended, and not started.
HoldState = Literal["frozen", "held"]
LOOK_S = 0.5


@dataclass(frozen=True, slots=True)
class Owner:
    """The command that set a hold. It has ``lock`` for as long as it lives, if it named one.

    The lock tells even where the system shows nobody the processes of another user.
    """

    pid: int = 0
    started: str = ""
    lock: str = ""

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return is_locked(Path(self.lock)) if self.lock else Process(self.pid, self.started).alive


@dataclass(frozen=True, slots=True)
class Hold:
    """Who holds what back, and why. ``since``: Unix milliseconds; ``owner`` is the command."""

    state: HoldState
    why: str
    since: int
    owner: Owner = field(default=Owner())

    @property
    def owned(self) -> bool:
        """Whether the command that set it still runs."""
        return self.owner.alive

    def but(self, state: HoldState) -> "Hold":
        """Return the same hold in another state."""
        return replace(self, state=state)


def read_hold(file: Path) -> Hold | None:
    """Return the hold that a file tells of; one that cannot be read holds nothing back."""
    try:
        facts = orjson.loads(file.read_bytes())
        owner = Owner(**facts["owner"])
        state = next(each for each in get_args(HoldState) if each == facts["state"])
        return Hold(state, str(facts["why"]), int(facts["since"]), owner)
    except (OSError, ValueError, KeyError, TypeError, StopIteration):
        return None


def put_hold(file: Path, hold: Hold) -> None:
    """Set the hold, on the disk when this returns."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_durably(file, orjson.dumps(asdict(hold)))


def lift_hold(file: Path) -> None:
    """Let all go on."""
    file.unlink(missing_ok=True)


def told(hold: Hold, now: int) -> str:
    """Return the sentence for an administrator that a hold is worth, and what ends it."""
    minutes = max(0, now - hold.since) // 60_000
    begin = f"new turns are held back ({hold.why}, for {minutes} min)"
    if hold.owned:
        return f"{begin}; the command still runs as process {hold.owner.pid}"
    return (
        f"{begin} and the command that did so is over; do it again to go on, or "
        "`python -m bot opencode rollback` to go back"
    )


def owner_here(pid: int, lock: Path | None = None) -> Owner:
    """Return the process of a pid as a hold names its owner."""
    return Owner(pid, started_at(pid), str(lock) if lock is not None else "")


def is_locked(file: Path) -> bool:
    """Tell whether somebody holds a lock on a file; a look at it takes it from nobody."""
    try:
        with file.open("rb") as opened:
            fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


class Gate:
    """What the service knows of the hold: read at the start, then for as long as it lives."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._hold: Hold | None = None
        self._open = asyncio.Event()
        self._open.set()
        self._untold = False  # all may go on, and who waits does not know yet

    def read(self) -> None:
        """See at once how things stand, before anything is started."""
        found = self._found()
        if found is not None:
            log.warning("hold.set", state=found.state, why=found.why)
            self._shut(found)

    def _found(self) -> Hold | None:
        """Read the file; one that is there and cannot be read just now lifts no hold."""
        if self._file is None:
            return None
        found = read_hold(self._file)
        return self._hold if found is None and _is_there(self._file) else found

    @property
    def hold(self) -> Hold | None:
        """The hold in force."""
        return self._hold

    @property
    def shut(self) -> bool:
        """Whether no new turn may start."""
        return self._hold is not None

    @property
    def held(self) -> bool:
        """Whether a managed server must not run."""
        return self._hold is not None and self._hold.state == "held"

    async def wait_open(self, limit_s: float) -> bool:
        """Wait until new turns may start, at most ``limit_s``; tell whether they may."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self._open.wait()
        return self._open.is_set()

    async def follow(
        self,
        before_held: Callable[[], Awaitable[None]],
        lifted: Callable[[], Awaitable[None]],
    ) -> None:
        """Look at the file for as long as the service lives.

        ``before_held`` is done before anybody sees that the server is to end, ``lifted`` once all
        may go on.
        """
        while True:
            await self._look(before_held, lifted)
            await asyncio.sleep(LOOK_S)

    async def _look(
        self,
        before_held: Callable[[], Awaitable[None]],
        lifted: Callable[[], Awaitable[None]],
    ) -> None:
        found, before = self._found(), self._hold
        if found is None:
            if before is not None:
                self._lift()
            if self._untold:  # a store that failed is asked again at the next look
                await lifted()
                self._untold = False
            return
        if found == before:
            return
        if found.state == "held" and not self.held:
            self._shut(found.but("frozen"))
            await before_held()
        if before is None or before.state != found.state:
            log.warning("hold.set", state=found.state, why=found.why)
        self._shut(found)

    def _shut(self, hold: Hold) -> None:
        self._hold = hold
        self._open.clear()

    def _lift(self) -> None:
        self._hold, self._untold = None, True
        self._open.set()
        log.info("hold.lifted")


def _is_there(file: Path) -> bool:
    with contextlib.suppress(OSError):
        file.stat()
        return True
    return False
