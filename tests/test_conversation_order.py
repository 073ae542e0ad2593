"""Whole stories of several messages: which runs when, and by what way each answer leaves."""

import asyncio

from bot.texts import delivery as delivery_texts
from bot.texts import engine as texts
from handlers.wecom.timing import Timing
from tests.fakes.opencode_turns import ask, hang, say
from tests.fault_fixtures import CHAT, brought, called, prompted

BYTES = 20_480


async def together(*jobs):
    """Do all at once; return what each returned."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(job) for job in jobs]
    return [task.result() for task in tasks]


async def test_of_two_messages_at_once_one_runs_and_one_waits(faked, fake):
    gate = asyncio.Event()
    fake.script(say("First", gate))
    one, other = await together(
        faked.wecom.say("zhangsan", "one"), faked.wecom.say("zhangsan", "other")
    )
    waits, runs = (one, other) if one.finished else (other, one)
    assert "/force" in waits.text
    await prompted(fake, 1)
    gate.set()
    assert "First" in await runs.done()
    assert "OK" in await waits.late_reply()
    assert fake.prompts[0].session == fake.prompts[1].session


async def test_people_with_sessions_of_their_own_do_not_wait_for_each_other(make_faked, fake):
    faked = await make_faked(BOT_CHAT_GROUP_SESSION="per_user")
    gate = asyncio.Event()
    fake.script(say("Slow", gate))
    slow = await faked.wecom.say("zhangsan", "one", group="wrTEAM")
    await prompted(fake, 1)
    quick = await faked.wecom.say("lisi", "two", group="wrTEAM")
    assert "OK" in await quick.done()
    assert not slow.finished
    gate.set()
    assert "Slow" in await slow.done()
    first, second = fake.prompts
    assert first.session != second.session


async def test_the_third_open_bubble_of_a_person_is_closed_with_a_receipt(faked, fake):
    gates = [asyncio.Event() for _ in range(3)]
    talks = []
    for number, gate in enumerate(gates):
        fake.script(say(f"Answer {number}", gate))
        group = f"wr{number}" if number else None
        talks.append(await faked.wecom.say("zhangsan", "hello", group=group))
        await prompted(fake, number + 1)
    assert await talks[2].done() == texts.ACCEPTED_CLOSED.say("en", n=3)
    for gate in reversed(gates):
        gate.set()
    assert "Answer 2" in await talks[2].late_reply()
    assert "Answer 0" in await talks[0].done()
    assert "Answer 1" in await talks[1].done()
    assert faked.wecom.violations == []


async def test_a_long_answer_is_cut_with_a_link_and_read_on_by_its_number(faked, fake):
    lines = [f"Line {number} of the answer, 好的。" for number in range(6_000)]
    whole = "\n".join(lines)
    assert len(whole.encode()) > 200_000
    fake.script(say(whole))
    text = await (await faked.wecom.say("zhangsan", "write much")).done()
    assert len(text.encode()) <= BYTES
    assert "/t/1/" in text
    assert text.startswith("Line 0")
    seen = []
    for part in range(1, 99):
        shown = await (await faked.wecom.say("zhangsan", f"/result 1 {part}")).done()
        assert len(shown.encode()) <= BYTES
        seen += [line for line in shown.splitlines() if line.startswith("Line ")]
        if f"/result 1 {part + 1}" not in shown:
            break
    assert seen == lines


async def test_after_five_minutes_the_bubble_says_that_the_answer_comes_by_itself(
    faked, fake, clock
):
    gate = asyncio.Event()
    fake.script(say("So far", gate, " and all."))
    talk = await faked.wecom.say("zhangsan", "hello")
    await talk.shows("So far")
    clock.leap(301_000)
    text = await talk.done()
    assert delivery_texts.HANDED_OVER.say("en") in text
    assert "So far" in text
    gate.set()
    assert "So far and all." in await talk.late_reply()
    assert faked.wecom.violations == []


async def test_an_ask_after_the_hand_over_is_a_message_of_its_own(make_faked, fake):
    faked = await make_faked(options={"timing": Timing(hand_over_ms=0)})
    gate = asyncio.Event()
    fake.script(say("First", gate), ask(), say("Allowed."))
    talk = await faked.wecom.say("zhangsan", "hello")
    await talk.done()
    gate.set()
    await talk.late_reply()
    assert "/allow" in str(talk.late[0].card)
    (record,) = await faked.store.asks.open(CHAT)
    allow = await faked.wecom.say("zhangsan", f"/allow {record.code}")
    await allow.done()
    assert "Allowed." in await allow.late_reply()


async def test_what_nobody_fetched_is_shown_at_the_next_contact(make_faked, fake):
    faked = await make_faked(options={"timing": Timing(patience_s=0.1, late_ms=0)})
    fake.script(say("Long forgotten."))
    faked.wecom.polling = False
    await faked.wecom.say("zhangsan", "hello")
    await brought(faked, 1)
    text = await (await faked.wecom.say("zhangsan", "/queue")).done()
    assert texts.WAITING_ANSWER.say("en", n=1) in text
    assert "Long forgotten." in text


async def test_a_dropped_turn_is_taken_out_of_the_queue(faked, fake):
    fake.script(hang())
    await faked.wecom.say("zhangsan", "first")
    await prompted(fake, 1)
    await (await faked.wecom.say("zhangsan", "second")).done()
    await (await faked.wecom.say("zhangsan", "/drop 2")).done()
    await (await faked.wecom.say("zhangsan", "/stop all yes")).done()
    assert (await faked.store.turns.get(2)).state == "dropped"
    await called(fake, "/abort", 1)


async def test_stop_all_clears_the_queue_before_it_ends_what_runs(faked, fake):
    fake.script(hang())
    first = await faked.wecom.say("zhangsan", "first")
    await prompted(fake, 1)
    await (await faked.wecom.say("zhangsan", "second")).done()
    text = await (await faked.wecom.say("zhangsan", "/stop all yes")).done()
    assert "#2" in text
    assert "⛔" in await first.done()
    assert len(fake.prompts) == 1
