"""What a durable message costs: shared commits against aiosqlite's commit for each message."""

import asyncio
import itertools
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiosqlite

from bot.clock import now_ms
from store import open_store
from store.connection import sqlite_sql
from store.database import Statement
from store.inbox import accept_statements
from store.records import NewChat, NewInbound, NewTurn

SUBMITTERS = 64
MESSAGES = 12_800
ROUNDS = 3
PRAGMAS = ("journal_mode = WAL", "synchronous = FULL", "fullfsync = ON")
INBOUND = (
    "INSERT INTO inbound (message, chat, sender, kind, stream, reply_url, reply_url_state,"
    " received_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
)
TURN = (
    "INSERT INTO turns (message, chat, epoch, sender, kind, text, language, state, created_at)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
)
TEXT = "请修复登录页的测试。 " * 16

Submit = Callable[[int], Awaitable[None]]


async def bench() -> list[str]:
    """Return the figures as lines; every message is on the disk (FULL) when it counts."""
    head = f"store: messages/s, {SUBMITTERS} submitters, synchronous=FULL"
    rows = await _median(_shared_rows), await _median(_rows_alone)
    accept = await _median(_shared_accept), await _median(_accept_alone)
    return [
        f"{head:<56} shared   one each   ratio",
        _line("two rows: shared commits, aiosqlite with one each", *rows),
        _line("the whole accept with its answer, likewise", *accept),
    ]


def _line(what: str, shared: float, alone: float) -> str:
    return f"  {what:<52} {shared:>8,.0f}   {alone:>8,.0f}   {shared / alone:5.1f}"


async def _median(run: Callable[[Path], Awaitable[float]]) -> float:
    rates = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            rates.append(await run(Path(folder)))
    return sorted(rates)[len(rates) // 2]


async def _rate(submit: Submit, messages: int) -> float:
    """Let the submitters send one message after the other; return messages per second."""
    numbers = itertools.count()

    async def submitter() -> None:
        while (n := next(numbers)) < messages:
            await submit(n)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(SUBMITTERS):
            group.create_task(submitter())
    return messages / (time.perf_counter() - began)


async def _shared_accept(folder: Path) -> float:
    async with await open_store(f"sqlite:///{folder}/bot.db") as store:

        async def submit(n: int) -> None:
            await store.inbox.accept(*_message(n))

        return await _rate(submit, MESSAGES)


async def _shared_rows(folder: Path) -> float:
    async with await open_store(f"sqlite:///{folder}/bot.db") as store:

        async def submit(n: int) -> None:
            await store.database.write(Statement(INBOUND, *_inbound(n)), Statement(TURN, *_turn(n)))

        return await _rate(submit, MESSAGES)


async def _rows_alone(folder: Path) -> float:
    return await _alone(
        folder, lambda n: [Statement(INBOUND, *_inbound(n)), Statement(TURN, *_turn(n))]
    )


async def _accept_alone(folder: Path) -> float:
    return await _alone(folder, _accept_statements)


async def _alone(folder: Path, statements: Callable[[int], list[Statement]]) -> float:
    """Do the same on one aiosqlite connection, with a commit for each message."""
    path = folder / "bot.db"
    async with await open_store(f"sqlite:///{path}"):
        pass  # the same tables
    lock = asyncio.Lock()
    async with aiosqlite.connect(path) as connection:
        for pragma in PRAGMAS:
            await connection.execute(f"PRAGMA {pragma}")
        await connection.create_function("now_ms", 0, now_ms)

        async def submit(n: int) -> None:
            async with lock:  # one connection is one transaction
                for statement in statements(n):
                    await connection.execute_fetchall(sqlite_sql(statement.sql), statement.args)
                await connection.commit()

        return await _rate(submit, MESSAGES // 4)


def _accept_statements(n: int) -> list[Statement]:
    inbound, chat, turn = _message(n)
    return accept_statements(inbound.kept(), chat, turn)


def _inbound(n: int) -> tuple[str | int, ...]:
    return (f"m{n}", _chat(n), "zhangsan", "prompt", f"s{n}", "https://u", "fresh", n)


def _turn(n: int) -> tuple[str | int, ...]:
    return (f"m{n}", _chat(n), 0, "zhangsan", "prompt", TEXT, "zh", "queued", n)


def _chat(n: int) -> str:
    return f"wecom:direct:{n % 500}"


def _message(n: int) -> tuple[NewInbound, NewChat, NewTurn]:
    chat = _chat(n)
    inbound = NewInbound(
        f"m{n}", chat, "zhangsan", "prompt", "", "", f"s{n}", "", False, "https://u", n
    )
    turn = NewTurn(f"m{n}", chat, "zhangsan", "prompt", TEXT, "", "[]", "zh", False, True, None, n)
    return inbound, NewChat(chat, "wecom", "direct", str(n % 500), "", "zh", n), turn
