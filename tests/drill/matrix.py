"""Every point, every cut, every passage: two runs at a time."""

import asyncio
import shutil

from tests.drill.points import ON
from tests.drill.run import Case, run
from tests.drill.table import Row

AT_ONCE = 2


def cases(points, cuts, passages, channel="callback"):
    """Yield the runs that are wanted and exist."""
    for name in points:
        for cut in cuts:
            for passage in passages:
                if name in ON[channel] and passage <= len(ON[channel][name].passages):
                    yield Case(name, cut, passage, channel)


async def outcomes(wanted, folder, library, *, tell=lambda _: None):
    """Run every case; return what each came to. The files of those that failed stay in ``folder``."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(case):
        place = folder / f"{case.channel}-{case.point}-{case.cut}-{case.passage}"
        async with gate:
            outcome = await run(case, place, library)
        tell(f"{case}: {'; '.join(map(str, outcome.faults)) or 'fine'}\n")
        if not outcome.faults:
            shutil.rmtree(place)
        return outcome

    async with asyncio.TaskGroup() as group:
        jobs = [group.create_task(one(case)) for case in wanted]
    return [job.result() for job in jobs]


def rows_of(results):
    """Return a row for each point and cut, of one channel."""
    rows = {}
    for outcome in results:
        point, cut = outcome.case.point, outcome.case.cut
        where = ON[outcome.case.channel][point].where
        rows.setdefault((point, cut), Row(point, cut, where)).add(outcome)
    return [rows[key] for key in sorted(rows)]
