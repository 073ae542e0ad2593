"""Stories that happen between two steps: a commit and its answer, a claim and its words."""

import asyncio
import time

import pytest

from bot.errors import UserError
from bot.opencode.client import OpenCode
from bot.opencode.model import Paths
from store import writer
from store.records import NewDelivery
from tests.fakes.opencode_turns import ask, hang, say
from tests.fault_fixtures import CHAT, brought, called, prompted
from tests.reliability.callbacks import message, sealed


async def test_a_stop_ends_a_turn_that_cannot_even_be_opened(faked, fake):
    fake.fault("/path", "drop", times=100_000)
    await faked.wecom.say("zhangsan", "hello")
    await called(fake, "/path", 2)
    await (await faked.wecom.say("zhangsan", "/stop")).done()
    await brought(faked, 1)
    assert (await faked.store.turns.get(1)).state == "stopped"


async def test_the_time_limit_ends_a_turn_that_cannot_even_be_opened(faked, fake, clock):
    fake.fault("/path", "drop", times=100_000)
    await faked.wecom.say("zhangsan", "hello")
    await called(fake, "/path", 2)
    clock.leap(2 * 3_600_000)
    await brought(faked, 1)
    assert (await faked.store.turns.get(1)).outcome == "timeout"


async def test_a_message_that_was_kept_too_late_to_be_acknowledged_still_runs(
    make_faked, fake, monkeypatch
):
    monkeypatch.setattr("handlers.wecom.callback.ACCEPT_S", 0.2)
    bot = await make_faked()
    commit, slow = writer.commit_batch, [True]

    def stalled(batch, connection):
        commit(batch, connection)
        if slow and any(
            "INSERT INTO turns" in one.sql for call in batch for one in call.statements
        ):
            slow.clear()
            time.sleep(0.6)  # a sync that takes its time; in the writer's thread

    monkeypatch.setattr(writer, "commit_batch", stalled)
    query, body = sealed(message("hello"))
    assert (await bot.wecom.send_raw(query=query, body=body)).status == 503
    await bot.store.ping(1)  # the writer is through
    assert (await bot.wecom.send_raw(query=query, body=body)).status == 200
    await prompted(fake, 1)
    assert len(fake.prompts) == 1


async def test_an_answer_that_was_ready_while_we_were_down_is_no_timeout(make_faked, fake, clock):
    bot = await make_faked()
    gate = asyncio.Event()
    fake.script(say("The whole", gate, " answer."))
    talk = await bot.wecom.say("zhangsan", "hello")
    await talk.shows("The whole")
    await bot.stop()
    gate.set()
    async with asyncio.timeout(5):
        while fake.busy:  # noqa: ASYNC110 - the fake tells only its subscribers
            await asyncio.sleep(0.01)
    clock.leap(2 * 3_600_000)
    await bot.start()
    await brought(bot, 1)
    assert (await bot.store.turns.get(1)).outcome == "answered"


async def test_a_result_that_fills_the_bubble_is_not_cut_for_what_waits(faked, fake):
    lines = [f"Line {n} of the answer." for n in range(3_000)]
    fake.script(say("\n".join(lines)))
    await (await faked.wecom.say("zhangsan", "write")).done()
    await faked.store.deliveries.add(NewDelivery(CHAT, None, "x", "W " * 3_000, "", "", 1))
    shown = await (await faked.wecom.say("zhangsan", "/result 1 1")).done()
    more = await (await faked.wecom.say("zhangsan", "/result 1 2")).done()
    last = [line for line in shown.splitlines() if line.startswith("Line")][-1]
    first = next(line for line in more.splitlines() if line.startswith("Line"))
    assert lines.index(first) == lines.index(last) + 1


async def test_a_retry_does_not_queue_where_busy_chats_refuse(make_faked, fake):
    bot = await make_faked(BOT_CHAT_BUSY="reject")
    await (await bot.wecom.say("zhangsan", "one")).done()
    fake.script(hang())
    await bot.wecom.say("zhangsan", "two")
    await prompted(fake, 2)
    await (await bot.wecom.say("zhangsan", "/retry 1")).done()
    assert await bot.store.turns.get(3) is None


async def test_a_maintainer_decides_for_a_member_who_has_a_session_of_their_own(make_faked, fake):
    bot = await make_faked(BOT_CHAT_GROUP_SESSION="per_user")
    fake.script(ask(), say("Done."))
    talk = await bot.wecom.say("zhangsan", "do it", group="wrTEAM")
    await talk.shows("/allow")
    (one,) = await bot.store.asks.all_open()
    await (await bot.wecom.say("lead", f"/allow {one.code}", group="wrTEAM")).done()
    assert "Done." in await talk.done()


async def test_a_worktree_with_our_configuration_in_it_is_refused(make_bot, fake, tmp_path):
    project = tmp_path / "shop"
    (project / "config").mkdir(parents=True)
    secret = project / "config/token"
    secret.write_text("x")
    bot = await make_bot(fake)
    workspaces = bot.service.services.sessions._workspaces
    assert isinstance(bot.service.services.opencode, OpenCode)
    workspaces._protected += (secret,)
    with pytest.raises(UserError):
        workspaces.check(Paths(worktree=str(project), directory=str(project)))


async def test_a_stop_is_not_forgotten_by_a_restart(make_faked, fake):
    bot = await make_faked()
    fake.script(say("Going on"), hang())
    talk = await bot.wecom.say("zhangsan", "long work")
    await talk.shows("Going on")
    await bot.store.turns.halt(1, "zhangsan")
    await bot.restart()
    await brought(bot, 1)
    turn = await bot.store.turns.get(1)
    assert (turn.state, turn.stopped_by) == ("stopped", "zhangsan")
    assert fake.aborts


async def test_a_receipt_offers_to_go_first_only_to_those_who_may(faked, fake):
    fake.script(hang())
    await faked.wecom.say("zhangsan", "one", group="wrTEAM")
    await prompted(fake, 1)
    other = await (await faked.wecom.say("lisi", "two", group="wrTEAM")).done()
    own = await (await faked.wecom.say("zhangsan", "three", group="wrTEAM")).done()
    assert "/force" not in other
    assert "/drop 2" in other
    assert "/force 3" in own
