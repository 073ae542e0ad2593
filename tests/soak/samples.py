"""What is measured of the service while it soaks, and what that says of the promises."""

import asyncio
import statistics
from dataclasses import dataclass
from itertools import pairwise

import psutil

EVERY_S = 10.0
MB = 1024 * 1024
WARM_UP_S = 12 * 60.0  # until each person has written often, and the allocator has settled
LONG_ENOUGH_S = 10 * 60.0  # of samples after it, for a slope of the memory to mean anything
RSS_MB_H = 1.0
BLOCKS_H = 10_000.0  # about 1 MB
FDS_H = 20.0
BOUNDS = (
    ("rss_mb", RSS_MB_H, "MB"),
    ("blocks", BLOCKS_H, "blocks"),
    ("fds", FDS_H, "descriptors"),
)
WAL_MB = 64.0
FLAT = 2.0  # times the first half's, and some milliseconds
FLAT_MS = 20.0


@dataclass(frozen=True)
class Sample:
    """One look. Times of answers are milliseconds, of the last ten seconds."""

    at_s: float
    rss_mb: float
    blocks: int  # of Python's memory, in use
    fds: int
    threads: int
    wal_mb: float
    streams: int
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True)
class Slope:
    """A line through samples: how much more an hour, and how sure that is."""

    per_hour: float
    error: float

    @property
    def least(self):
        """What it is at the least, with 95 %."""
        return self.per_hour - 2 * self.error


async def watch(rig, ends):
    """Look every few seconds until the time has come; return what was seen."""
    loop, process = asyncio.get_running_loop(), psutil.Process(rig.victim.process.pid)
    wal = rig.victim.data / "bot.db-wal"
    began, samples = loop.time(), []
    while loop.time() < ends:
        await asyncio.sleep(EVERY_S)
        taken = rig.stopwatch.taken() or [0.0]
        blocks = await rig.blocks()
        samples.append(
            Sample(
                at_s=loop.time() - began,
                rss_mb=process.memory_info().rss / MB,
                blocks=blocks,
                fds=process.num_fds(),
                threads=process.num_threads(),
                wal_mb=wal.stat().st_size / MB if wal.exists() else 0.0,
                streams=len(rig.fake.busy),
                p50_ms=taken[len(taken) // 2],
                p99_ms=taken[int(len(taken) * 0.99)],
            )
        )
    return samples


def after_warm_up(samples):
    """Return the samples that count: all but the first minutes, at most a half of them."""
    last = samples[-1].at_s
    return [one for one in samples if one.at_s > min(WARM_UP_S, last / 2)]


def slope(samples, name):
    """Fit a line through one measure."""
    hours = [one.at_s / 3600 for one in samples]
    values = [getattr(one, name) for one in samples]
    if len(samples) < 3:
        return Slope(0.0, 0.0)
    line = statistics.linear_regression(hours, values)
    rest = [v - line.slope * h - line.intercept for h, v in zip(hours, values, strict=True)]
    spread = sum((h - statistics.fmean(hours)) ** 2 for h in hours)
    variance = sum(r * r for r in rest) / (len(samples) - 2)
    return Slope(line.slope, (variance / spread) ** 0.5)


def faults(samples):
    """Return every bound that was not kept, in words."""
    later = after_warm_up(samples)
    span_s = later[-1].at_s - later[0].at_s
    if span_s >= LONG_ENOUGH_S:
        for name, limit, unit in BOUNDS:
            line = slope(later, name)
            if line.least > limit:
                yield f"{name} grows by {line.per_hour:.1f} ± {line.error:.1f} {unit} an hour"
    highest = max(one.wal_mb for one in samples)
    if highest >= WAL_MB:
        yield f"the write-ahead log reached {highest:.0f} MB"
    first, second = halves(later)
    if second > FLAT * first + FLAT_MS:
        yield f"p99 rose from {first:.1f} to {second:.1f} ms"


def halves(samples):
    """Return the median p99 of the first and of the second half."""
    middle = len(samples) // 2 or 1
    parts = samples[:middle], samples[middle:] or samples[:middle]
    return tuple(statistics.median(one.p99_ms for one in part) for part in parts)


def largest_step(samples, name):
    """Return the largest difference between two looks."""
    values = [getattr(one, name) for one in samples]
    return max((abs(after - before) for before, after in pairwise(values)), default=0)
