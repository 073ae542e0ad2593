"""The only place that starts a task: every job has an owner, a name and an end."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from types import TracebackType
from typing import Self

import structlog

from bot.errors import PeerError, StoreBroken, StoreError, facts_of

log = structlog.get_logger()

GRACE_S = 1.0  # for what was cancelled to be gone: the service's end has a limit
RESTART_DELAYS_S = (0.5, 1.0, 2.0, 5.0, 10.0)


def restart_delays() -> Iterator[float]:
    """Yield how long to wait before each further start of a job that failed, in seconds."""
    yield from RESTART_DELAYS_S
    while True:
        yield RESTART_DELAYS_S[-1]


def transient(exc: BaseException) -> bool:
    """Tell whether trying again may help: a peer failed us, the network did, or the disk is full."""
    if isinstance(exc, StoreBroken):
        return False
    return isinstance(exc, PeerError | StoreError | OSError | TimeoutError)


class Background:
    """Owns every job of the process. ``fatal`` is called when a job must not be survived; the first call counts."""

    def __init__(
        self, *, grace_s: float = GRACE_S, fatal: Callable[[BaseException], None] | None = None
    ) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._grace_s = grace_s
        self._fatal = fatal
        self._closing = False

    @property
    def closing(self) -> bool:
        """Whether the service is on its way down: nothing new should begin."""
        return self._closing

    def __len__(self) -> int:
        return len(self._tasks)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def start(self, job: Coroutine[object, object, None], *, name: str) -> None:
        """Run ``job`` once; a failure is one log entry and harms nobody else."""
        self._spawn(self._guarded(job, name), name)

    def keep(self, job: Callable[[], Awaitable[None]], *, name: str, vital: bool = True) -> None:
        """Run ``job`` for as long as the service lives: a transient failure starts it anew.

        Any failure does where the job is not ``vital``: the service can do without it, though not
        without its disk.
        """
        self._spawn(self._guarded(self._kept(job, name, vital=vital), name), name)

    def _spawn(self, job: Coroutine[object, object, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(job, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, job: Coroutine[object, object, None], name: str) -> None:
        try:
            await job
        except StoreBroken as exc:  # the store tells of it; no line of the job is to blame
            log.warning("job.failed", job=name, error=facts_of(exc))
            self._report(exc)
        except Exception:
            log.exception("job.failed", job=name)

    async def _kept(self, job: Callable[[], Awaitable[None]], name: str, *, vital: bool) -> None:
        delays = restart_delays()
        while not self._closing:
            try:
                await job()
            except StoreBroken:
                raise
            except Exception as exc:
                lasting = not transient(exc)
                if lasting:
                    log.exception("job.failed", job=name)
                if lasting and vital:
                    self._report(exc)
                    return
                log.warning("job.restarted", job=name, error=facts_of(exc))
                await asyncio.sleep(next(delays))
            else:
                return

    def _report(self, exc: Exception) -> None:
        if self._fatal is not None:
            self._fatal(exc)

    async def close(self) -> None:
        """Cancel what still runs and wait until it is gone; at most the grace time."""
        self._closing = True
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=self._grace_s)
            for task in late:
                log.error("job.stuck", job=task.get_name())
