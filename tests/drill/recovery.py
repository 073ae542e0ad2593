"""How long a service with ten thousand chats behind it takes from its start to a good reply."""

import asyncio
import contextlib
import json
import sqlite3
import time

from bot.sandbox import payloads
from bot.sandbox.caller import NotAnswered
from bot.sandbox.payloads import Origin
from store import open_store
from tests.drill.run import rigged
from tests.drill.victim import LOOK_S, START_S
from tests.drill.ways import OK
from tests.wecom_fixtures import BOT_ID

CHATS = 10_000
STARTS = 5
WORDS = "字" * 300
FILL = (
    """INSERT INTO chats (key, platform, kind, id, member, created_at, contact_at)
       VALUES ('wecom:direct:person' || ?1, 'wecom', 'direct', 'person' || ?1, '', ?2, ?2)""",
    """INSERT INTO sessions (chat, epoch, session, directory, opened_at)
       VALUES ('wecom:direct:person' || ?1, 0, 'ses_' || ?1, '/w/' || ?1, ?2)""",
    """INSERT INTO inbound (message, chat, sender, kind, stream, shown, finished, received_at)
       VALUES ('m' || ?1, 'wecom:direct:person' || ?1, 'person' || ?1, 'prompt', 's' || ?1, ?3, 1, ?2)""",
    """INSERT INTO turns (chat, epoch, message, sender, kind, text, language, state, outcome,
           prompt, prompt_state, prompts, answer, created_at, started_at, ended_at)
       VALUES ('wecom:direct:person' || ?1, 0, 'm' || ?1, 'person' || ?1, 'prompt', ?3, 'zh',
           'done', 'answered', printf('msg_%012x', ?1), 'accepted', 1, ?3, ?2, ?2, ?2)""",
    """INSERT INTO deliveries (chat, turn, message, body, state, via, created_at, changed_at)
       VALUES ('wecom:direct:person' || ?1, ?1 + 1, 'm' || ?1, ?3, 'sent', 'bubble', ?2, ?2)""",
)


async def fill(path):
    """Store a past turn of each of many chats."""
    async with await open_store(f"sqlite:///{path}"):
        pass
    now = time.time_ns() // 1_000_000
    rows = [(n, now, WORDS) for n in range(CHATS)]
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for statement in FILL:
            # Not every statement uses every value; SQLite wants no more than it names.
            used = 3 if "?3" in statement else 2
            connection.executemany(statement, [row[:used] for row in rows])
        connection.commit()


async def recovery(folder, starts=STARTS):
    """Start it several times; return the seconds from ``exec`` to the first good reply of each."""
    async with rigged(folder / "recovery", None, BOT_MEMBERS="*") as rig:
        rig.victim.data.mkdir(parents=True)
        await fill(rig.victim.database)
        took = []
        for n in range(starts):
            await rig.victim.start()
            async with asyncio.timeout(START_S):
                while not await _answered(rig, f"first-{n}"):  # noqa: ASYNC110 - another process
                    await asyncio.sleep(LOOK_S)
            took.append(time.monotonic() - rig.victim.began)
            await rig.victim.kill()
    return took


async def _answered(rig, msgid):
    origin = Origin(BOT_ID, "person77")
    message = origin.message(msgid, payloads.text("/status"), response_url="")
    try:
        answer = await rig.standin.send_raw(json.dumps(message).encode())
    except NotAnswered:
        return False
    return answer.status == OK
