"""Jobs: each has an owner, one that fails harms nobody, all of them end."""

import asyncio
import itertools

import pytest
from structlog.testing import capture_logs

from bot import background
from bot.background import Background, restart_delays, transient
from bot.errors import OpenCodeUnavailable, StoreBroken, StoreFull, WeComError


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(background, "RESTART_DELAYS_S", (0.0,))


class Job:
    """Fails as often as it is told to, then is done."""

    def __init__(self, *failures):
        self.failures = list(failures)
        self.done = asyncio.Event()

    async def __call__(self):
        if self.failures:
            raise self.failures.pop(0)
        self.done.set()

    async def ended(self):
        async with asyncio.timeout(5):
            await self.done.wait()


async def test_a_job_that_fails_is_one_log_entry_and_harms_no_other():
    other = Job()
    with capture_logs() as logs:
        async with Background() as jobs:
            jobs.start(Job(ValueError("broken"))(), name="first")
            jobs.start(other(), name="second")
            await other.ended()
    assert [(entry["event"], entry["job"]) for entry in logs] == [("job.failed", "first")]


async def test_a_kept_job_is_started_anew_after_what_passes():
    job = Job(OSError("gone"), StoreFull("no space"), OpenCodeUnavailable("away"))
    with capture_logs() as logs:
        async with Background(fatal=pytest.fail) as jobs:
            jobs.keep(job, name="feed")
            await job.ended()
    assert [entry["event"] for entry in logs] == ["job.restarted"] * 3


@pytest.mark.parametrize("told", [True, False])
async def test_a_kept_job_that_breaks_is_reported_once_and_not_started_again(told):
    causes = []
    job, other = Job(ValueError("broken")), Job()
    with capture_logs() as logs:
        async with Background(fatal=causes.append if told else None) as jobs:
            jobs.keep(job, name="flush")
            jobs.keep(other, name="other")
            await other.ended()
    assert [entry["event"] for entry in logs] == ["job.failed"]
    assert len(causes) == told
    assert not job.done.is_set()


async def test_a_broken_disk_ends_every_kind_of_job_in_one_line_each():
    broken, causes = StoreBroken("I/O error"), []
    jobs = [Job(broken) for _ in range(3)]
    async with Background(fatal=causes.append) as background_jobs:
        with capture_logs() as logs:
            background_jobs.start(jobs[0](), name="once")
            background_jobs.keep(jobs[1], name="vital")
            background_jobs.keep(jobs[2], name="spare", vital=False)
            async with asyncio.timeout(5):
                while background_jobs:  # noqa: ASYNC110
                    await asyncio.sleep(0)
    assert [(entry["event"], entry["job"]) for entry in logs] == [
        ("job.failed", "once"),
        ("job.failed", "vital"),
        ("job.failed", "spare"),
    ]
    assert not [entry for entry in logs if "exc_info" in entry]
    assert causes == [broken] * 3


@pytest.mark.parametrize(
    ("failure", "passes"),
    [
        (OpenCodeUnavailable("away"), True),
        (WeComError(-1, "busy"), True),
        (ConnectionResetError(), True),
        (TimeoutError(), True),
        (StoreFull("no space"), True),
        (StoreBroken("I/O error"), False),
        (KeyError("a mistake of ours"), False),
    ],
)
def test_only_what_others_cause_may_pass_by_itself(failure, passes):
    assert transient(failure) is passes


def test_pauses_grow_to_the_last_one(monkeypatch):
    monkeypatch.setattr(background, "RESTART_DELAYS_S", (1.0, 2.0))
    assert list(itertools.islice(restart_delays(), 4)) == [1.0, 2.0, 2.0, 2.0]


async def test_closing_ends_every_job():
    jobs = Background()
    begun, ended = asyncio.Event(), asyncio.Event()

    async def endless():
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    jobs.start(endless(), name="endless")
    assert len(jobs) == 1
    await begun.wait()
    assert not jobs.closing
    await jobs.close()
    assert ended.is_set()
    assert jobs.closing
    assert len(jobs) == 0
    await jobs.close()


async def test_a_kept_job_that_fails_while_it_is_ended_is_not_started_again():
    begun = []

    async def last_breath():
        begun.append(1)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise OSError("connection lost") from None

    jobs = Background()
    jobs.keep(last_breath, name="feed")
    await asyncio.sleep(0)
    await jobs.close()
    assert begun == [1]


async def test_a_job_that_will_not_end_is_named_and_left():
    release = asyncio.Event()
    over = asyncio.Event()

    async def stubborn():
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        over.set()

    jobs = Background(grace_s=0.05)
    jobs.start(stubborn(), name="stubborn")
    await asyncio.sleep(0)
    with capture_logs() as logs:
        await jobs.close()
    assert [(entry["event"], entry["job"]) for entry in logs] == [("job.stuck", "stubborn")]
    release.set()
    await over.wait()
