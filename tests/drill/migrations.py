"""C23: the process dies at each statement of each migration; the next start goes on from there."""

import asyncio
import contextlib
import shutil
import sqlite3
import time
from dataclasses import replace

from store.crashpoints import VARIABLE
from store.migrate import known_migrations, migrate
from store.sqlite import open_sqlite
from tests.drill.judge import LOST, Fault
from tests.drill.points import KILLED, MIGRATION
from tests.drill.run import Case, Outcome
from tests.drill.table import Row
from tests.drill.victim import Victim

OPEN = ("-m", "tests.drill.opening")
CHATS = 3
AT_ONCE = 2
OLD_ROWS = """
    INSERT INTO chats (key, platform, kind, id, member, created_at, contact_at)
    VALUES (?1, 'wecom', 'direct', ?1, '', 1, 1)
"""
COUNT = "SELECT COUNT(key) FROM chats"


async def old_database(path):
    """Make a database of the first schema with something in it."""
    database = await open_sqlite(path, lambda _: None)
    await migrate(database, known_migrations()[:1])
    await database.close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executemany(OLD_ROWS, [(f"wecom:direct:{n}",) for n in range(CHATS)])
        connection.commit()


async def drill(folder, library, cuts):
    """Die at each passage, from an empty folder and from the first schema; return the rows."""
    gate = asyncio.Semaphore(AT_ONCE)
    async with asyncio.TaskGroup() as group:
        jobs = [
            group.create_task(
                _every_passage(folder / f"{MIGRATION}-{name}-{cut}", cut, chats, library, gate)
            )
            for cut in cuts
            for name, chats in (("fresh", 0), ("upgrade", CHATS))
        ]
    return [job.result() for job in jobs]


async def _every_passage(place, cut, chats, library, gate):
    """Go on to the next passage until one is not reached any more; without the first it is a fault."""
    row = Row(MIGRATION, cut, f"in a migration, {'upgrade' if chats else 'fresh'}")
    while True:
        case = Case(MIGRATION, cut, row.runs + 1)
        async with gate:
            outcome = await die_at(case, place, library, chats)
        shutil.rmtree(place)
        if outcome.reached:
            row.add(outcome)
            continue
        if row.runs == 0:
            row.add(replace(outcome, faults=[Fault("not reached", row.where)]))
        return row


async def die_at(case, place, library, chats):
    place.mkdir(parents=True)
    path = place / "data" / "bot.db"
    environ = {"BOT_DATA_DIR": str(path.parent), "DRILL_URL": f"sqlite:///{path}"}
    victim = Victim(environ, 0, place, OPEN, library if case.cut == "power" else None)
    if chats:
        await old_database(path)
        victim.copies.mkdir()
        shutil.copyfile(path, victim.copies / path.name)
    await victim.start(**{VARIABLE: f"{MIGRATION}:{case.passage}"})
    outcome = Outcome(case, reached=await victim.process.wait() == KILLED)
    if case.cut == "power":
        victim.lose_power()
    await victim.start()
    code = await victim.process.wait()
    outcome.first_reply_s = time.monotonic() - victim.began
    outcome.faults += _judged(path, code, chats)
    return outcome


def _judged(path, code, chats):
    """Return what is wrong with a database that was opened again."""
    if code != 0:
        yield Fault("bad end", f"exit code {code} of the start after it")
        return
    newest = known_migrations()[-1].version
    with contextlib.closing(sqlite3.connect(path)) as connection:
        (integrity,) = connection.execute("PRAGMA integrity_check").fetchone()
        (schema,) = connection.execute("SELECT MAX(version) FROM schema_versions").fetchone()
        (kept,) = connection.execute(COUNT).fetchone()
    if integrity != "ok":
        yield Fault("damaged", integrity)
    if schema != newest:
        yield Fault("stuck", f"schema {schema} of {newest}")
    if kept != chats:
        yield Fault(LOST, f"{kept} of {chats} chats")
