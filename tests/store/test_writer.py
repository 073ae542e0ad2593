"""One writer: what comes together is committed together, and nobody's trouble is another's."""

import asyncio
import sqlite3

import pytest

from store import open_store
from store.connection import sqlite_sql
from store.database import Statement
from store.errors import StoreError
from tests.store.samples import accept

TELL = "INSERT INTO strangers (sender, chat, told_at) VALUES ($1, 'team', $2)"
TOLD = "SELECT sender FROM strangers ORDER BY sender"


def tell(sender, at=1):
    return Statement(TELL, sender, at)


async def told(store):
    return [row[0] for row in await store.database.fetch_all(TOLD)]


@pytest.fixture
async def commits(store):
    """Collect the commits of the writer."""
    seen = []

    def trace(sql):
        if sql == "COMMIT":
            seen.append(sql)

    await store.database._writer._connection.put(lambda sqlite: sqlite.set_trace_callback(trace))
    return seen


async def _until_the_thread_has_it():
    """Let the callback run that gathers this turn of the loop."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def test_writes_of_one_moment_share_a_commit(store, commits):
    async with asyncio.TaskGroup() as group:
        for n in range(64):
            group.create_task(accept(store, f"m{n}"))
    assert len(commits) == 1
    assert len(await store.turns.unfinished()) == 64


async def test_writes_that_come_during_a_commit_share_the_next_one(store, commits):
    async with asyncio.TaskGroup() as group:
        group.create_task(store.database.write(tell("a")))
        await _until_the_thread_has_it()
        for n in range(10):
            group.create_task(store.database.write(tell(f"b{n}")))
    assert len(commits) == 2


async def test_a_batch_has_a_size(store, commits, monkeypatch):
    monkeypatch.setattr("store.writer.BATCH", 10)
    async with asyncio.TaskGroup() as group:
        for n in range(25):
            group.create_task(store.database.write(tell(f"s{n}")))
    assert len(commits) == 3


async def test_a_write_that_fails_fails_alone_and_whole(store):
    async with asyncio.TaskGroup() as group:
        good = group.create_task(store.database.write(tell("a")))
        bad = group.create_task(
            _expect_refusal(store.database.write(tell("b"), tell("c"), tell("b")))
        )
        other = group.create_task(store.database.write(tell("d"), Statement(TOLD)))
    assert "UNIQUE" in bad.result()
    assert await told(store) == ["a", "d"]
    assert good.result() == [[]]
    assert [row[0] for row in other.result()[1]] == ["a", "d"]


async def _expect_refusal(write):
    with pytest.raises(StoreError) as refused:
        await write
    return str(refused.value)


@pytest.mark.parametrize(
    "statement",
    [
        Statement(TELL, "half a \ud800 character", 1),
        Statement(TELL, "a", 2**70),
        Statement(TELL, object(), 1),
        Statement(TELL, "too few"),
        Statement("SELECT 1; SELECT 2"),
        Statement("NO SQL"),
    ],
    ids=["surrogate", "huge", "object", "too few", "two statements", "no sql"],
)
async def test_what_sqlite_cannot_take_is_our_error_and_harms_nobody(store, statement):
    async with asyncio.TaskGroup() as group:
        group.create_task(_expect_refusal(store.database.write(statement)))
        group.create_task(store.database.write(tell("b")))
    assert await told(store) == ["b"]


async def test_an_error_names_no_value(store):
    await store.database.write(tell("the text of a message"))
    refusal = await _expect_refusal(store.database.write(tell("the text of a message")))
    assert "the text" not in refusal
    assert "the text" not in repr(tell("the text of a message"))


async def test_a_caller_that_is_cancelled_early_writes_nothing_and_harms_nobody(store):
    async with asyncio.TaskGroup() as group:
        kept = group.create_task(store.database.write(tell("a")))
        gone = group.create_task(store.database.write(tell("b")))
        await asyncio.sleep(0)  # both wait, neither is with the thread
        gone.cancel()
    assert kept.result() == [[]]
    assert await told(store) == ["a"]


async def test_a_moment_in_which_all_are_cancelled_leaves_the_writer_free(store):
    async with asyncio.TaskGroup() as group:
        gone = group.create_task(store.database.write(tell("b")))
        await asyncio.sleep(0)
        gone.cancel()
    await store.database.write(tell("a"))
    assert await told(store) == ["a"]


async def test_a_caller_that_is_cancelled_late_does_not_hurt_the_batch(store):
    async with asyncio.TaskGroup() as group:
        kept = group.create_task(store.database.write(tell("a")))
        gone = group.create_task(store.database.write(tell("b")))
        also_gone = group.create_task(_expect_refusal(store.database.write(tell("a"))))
        await _until_the_thread_has_it()
        gone.cancel()
        also_gone.cancel()
    assert kept.result() == [[]]
    assert await told(store) == ["a", "b"]


async def test_a_transaction_reads_what_it_wrote_and_others_do_not_until_it_ends(store):
    async with store.database.transaction() as tx:
        await tx.write(tell("a"))
        inside = [row[0] for row in await tx.fetch_all(TOLD)]
        outside = await told(store)
        assert await tx.fetch_one("SELECT 1 WHERE 1 = 2") is None
        assert tuple(await tx.fetch_one(TOLD)) == ("a",)
    assert (inside, outside, await told(store)) == (["a"], [], ["a"])


async def test_a_transaction_that_fails_leaves_nothing(store):
    async def failing():
        async with store.database.transaction() as tx:
            await tx.write(tell("a"))
            await tx.write(tell("b"), tell("b"))

    with pytest.raises(StoreError):
        await failing()
    assert await told(store) == []


async def test_writes_wait_for_a_transaction_and_do_not_mix_with_it(store):
    async def failing(group):
        async with store.database.transaction() as tx:
            other = group.create_task(store.database.write(tell("other")))
            await tx.write(tell("mine"))
            assert not other.done()
            assert store.database.backlog == 1
            raise ZeroDivisionError

    async with asyncio.TaskGroup() as group:
        with pytest.raises(ZeroDivisionError):
            await failing(group)
    assert await told(store) == ["other"]


async def test_transactions_take_turns(store):
    running = 0

    async def one(sender):
        nonlocal running
        async with store.database.transaction() as tx:
            running += 1
            assert running == 1
            await tx.write(tell(sender))
            await tx.fetch_all(TOLD)
            running -= 1

    async with asyncio.TaskGroup() as group:
        group.create_task(store.database.write(tell("w")))
        for sender in "abc":
            group.create_task(one(sender))
    assert await told(store) == ["a", "b", "c", "w"]


async def test_a_transaction_that_is_cancelled_rolls_back_and_frees_the_writer(store):
    inside = asyncio.Event()

    async def endless():
        async with store.database.transaction() as tx:
            await tx.write(tell("a"))
            inside.set()
            await asyncio.Event().wait()

    async with asyncio.TaskGroup() as group:
        job = group.create_task(endless())
        await inside.wait()
        job.cancel()
    await store.database.write(tell("b"))
    assert await told(store) == ["b"]


async def test_a_transaction_that_is_cancelled_during_its_commit_is_kept_and_frees_the_writer(
    store,
):
    at_its_end = asyncio.Event()

    async def transaction():
        async with store.database.transaction() as tx:
            await tx.write(tell("a"))
            at_its_end.set()  # nothing is awaited from here to the commit

    async with asyncio.TaskGroup() as group:
        job = group.create_task(transaction())
        await at_its_end.wait()
        job.cancel()
    assert job.cancelled()
    await store.database.write(tell("b"))
    assert await told(store) == ["a", "b"]


async def test_a_transaction_whose_commit_fails_leaves_nothing_and_frees_the_writer(store):
    forbidden = {"COMMIT"}

    def authorize(action, operation, *_rest):
        refused = action == sqlite3.SQLITE_TRANSACTION and operation in forbidden
        return sqlite3.SQLITE_DENY if refused else sqlite3.SQLITE_OK

    async def transaction():
        async with store.database.transaction() as tx:
            await tx.write(tell("a"))

    await store.database._writer._connection.put(lambda sqlite: sqlite.set_authorizer(authorize))
    with pytest.raises(StoreError):
        await transaction()
    forbidden.clear()
    await store.database._writer._connection.put(lambda sqlite: sqlite.set_authorizer(None))
    await store.database.write(tell("b"))
    assert await told(store) == ["b"]


async def test_who_is_cancelled_while_waiting_for_a_transaction_is_passed_over(store):
    async def transaction(sender):
        async with store.database.transaction() as tx:
            await tx.write(tell(sender))

    async with asyncio.TaskGroup() as group:
        async with store.database.transaction():
            early = group.create_task(transaction("early"))
            next_one = group.create_task(transaction("next"))
            await asyncio.sleep(0)
            early.cancel()
            await asyncio.sleep(0)
        assert not next_one.done()
    assert await told(store) == ["next"]


async def test_who_is_cancelled_in_the_moment_of_their_turn_gives_it_on(store):
    gate = store.database._writer

    async def transaction(sender):
        async with store.database.transaction() as tx:
            await tx.write(tell(sender))

    await gate._take()
    async with asyncio.TaskGroup() as group:
        unlucky = group.create_task(transaction("unlucky"))
        after = group.create_task(transaction("after"))
        await asyncio.sleep(0)
        gate._release()  # the turn is given …
        unlucky.cancel()  # … to someone who leaves
    assert after.done()
    assert await told(store) == ["after"]


async def test_reads_do_not_wait_for_the_writer(store):
    async with store.database.transaction() as tx:
        await tx.write(tell("a"))
        async with asyncio.timeout(10):
            assert await told(store) == []


async def test_a_wrong_read_is_our_error(store):
    with pytest.raises(StoreError):
        await store.database.fetch_all("SELECT nothing FROM nowhere")
    with pytest.raises(StoreError):
        await store.database.fetch_all("DELETE FROM strangers")  # the reader only reads


async def test_closing_writes_what_waits_and_refuses_what_comes_later(url):
    store = await open_store(url)
    async with asyncio.TaskGroup() as group:
        jobs = [group.create_task(store.database.write(tell(f"s{n}"))) for n in range(20)]
        await asyncio.sleep(0)
        group.create_task(store.close())
    assert all(job.result() == [[]] for job in jobs)
    with pytest.raises(StoreError):
        await store.database.write(tell("late"))
    with pytest.raises(StoreError):
        await store.database.fetch_all(TOLD)
    async with await open_store(url) as again:
        assert len(await told(again)) == 20


def test_a_placeholder_is_a_number_for_sqlite():
    assert sqlite_sql("a = $1 AND b = $12") == "a = ?1 AND b = ?12"
