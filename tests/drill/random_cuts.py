"""Cuts at random moments under load: nothing acknowledged may be missing afterwards."""

import asyncio
import contextlib
import random
import sqlite3
import time
from dataclasses import replace
from typing import ClassVar

from tests.drill.flood import Flood
from tests.drill.judge import LOST, STUCK, Fault, judge
from tests.drill.people import People
from tests.drill.run import Case, Outcome, history_of, rigged
from tests.drill.table import Row

RATE = 300.0
LIVE_S = 1.0  # at most, from its first good reply on
START_S = 0.6  # at most, for the lives that end while they start
WHILE_STARTING = 4  # every fourth
SETTLE_S = 60.0
KEPT = "SELECT message FROM inbound"
SEED = 7
TOKENS = "token_too_often"


class Silence:
    """No flood: over the other channels five chats talk alone."""

    acknowledged: ClassVar[dict] = {}
    odd: ClassVar[list] = []

    async def run(self, stop):
        await stop.wait()

    async def finish(self):
        pass


async def random_cuts(
    folder, library, count, *, cuts=("kill", "power"), rate=RATE, talk=True, channel="callback"
):
    """Cut ``count`` times, alternating the cuts; return the row."""
    place = folder / f"random-{channel}"
    async with rigged(place, library, channel, BOT_MEMBERS="*") as rig:
        people = People(rig.standin, rig.fake, rig.up)
        flooded = channel == "callback"
        flood = Flood(rig.standin.callback_url, rate, rig.up) if flooded else Silence()
        row = Row("random", " + ".join(cuts), "")
        await rig.start()
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(flood.run(stop))
            if talk:
                group.create_task(people.chat(stop))
            up_s = await _cut(rig, row, count, cuts)
            stop.set()
        row.where = _pace(flood, up_s) if flooded else f"{people.said} questions in five chats"
        outcome = Outcome(Case("random", row.cut, channel=channel))
        await flood.finish()
        if talk:
            await people.settle(SETTLE_S)
            history = await history_of(rig, people)
            # So many starts a minute are our doing, and with each comes a new token.
            kept = tuple(one for one in history.refusals if one.code != TOKENS)
            outcome.faults += judge(replace(history, refusals=kept))
            row.unheard = sum(one.rewritten for one in history.messages)
        await rig.victim.end()
        outcome.faults += _missing(rig.victim.database, flood)
        outcome.faults += [Fault(STUCK, odd) for odd in flood.odd]
    row.faults += [str(fault) for fault in outcome.faults]
    row.counts.update(fault.kind for fault in outcome.faults)
    return row


async def _cut(rig, row, count, cuts):
    """End life after life, some of them before they could answer; return how long it could, in all."""
    dice, up_s = random.Random(SEED), 0.0
    for n in range(count):
        began = time.monotonic()
        await asyncio.sleep(dice.uniform(0, LIVE_S if rig.up.is_set() else START_S))
        if rig.up.is_set():
            up_s += time.monotonic() - began
        rig.up.clear()
        await rig.victim.kill()
        if cuts[n % len(cuts)] == "power":
            rig.victim.lose_power()
        row.runs += 1
        row.reached += 1
        if (n + 1) % WHILE_STARTING == 0 and n + 1 < count:
            await rig.victim.start()
        else:
            await rig.restart()
            row.first_reply_s = max(row.first_reply_s, rig.first_reply_s)
    return up_s


def _pace(flood, up_s):
    taken = len(flood.acknowledged)
    return f"{taken:,} acknowledged, {taken / up_s:.0f} a second while it was up"


def _missing(database, flood):
    """Return what was acknowledged and is not there."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        kept = {message for (message,) in connection.execute(KEPT)}
    for msgid in sorted(set(flood.acknowledged) - kept):
        yield Fault(LOST, f"{msgid} was acknowledged and is not there")


async def without_syncs(folder, library, count):
    """Cut the power of a service that does not sync: the drill must see the loss, or is worth nothing."""
    async with rigged(folder / "normal", library, BOT_MEMBERS="*") as rig:
        rig.victim.environ["DRILL_SYNCHRONOUS"] = "NORMAL"
        flood = Flood(rig.standin.callback_url, RATE, rig.up)
        row = Row("NORMAL", "power", "")
        await rig.start()
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(flood.run(stop))
            up_s = await _cut(rig, row, count, ("power",))
            stop.set()
        row.where = f"must lose; {_pace(flood, up_s)}"
        await rig.victim.end()
        row.counts[LOST] = len(list(_missing(rig.victim.database, flood)))
    if not row.counts[LOST]:
        row.faults.append("a service that does not sync lost nothing: the drill sees nothing")
    return row
