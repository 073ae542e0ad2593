"""D2 to D4: copies of a message, at any time and on any connection, and messages in any order.

One message is one turn, and all its copies get the same bubble; what arrives first runs first.
"""

import asyncio
import random

from bot.texts import delivery as delivery_texts
from tests.fakes.opencode_turns import hang, say
from tests.fault_fixtures import brought, prompted

MESSAGES = 24
CHATS = 6
LATEST_COPY_S = 0.3  # D2 says 15 s: all of it 50 times as fast
SEED = 20
LINE = 8
TEAM = ("zhangsan", "lisi", "wangwu", "lead")


async def copies(bot, talk, count, within_s):
    """Send further copies of a message: some behind one another, some at once."""
    if count and random.Random(talk.msgid).random() < 0.3:
        await bot.wecom.say(talk.origin.member, "again", msgid=talk.msgid, copies=count)
        return
    for _ in range(count):
        await asyncio.sleep(within_s / count)
        await bot.wecom.say(talk.origin.member, "again", msgid=talk.msgid)


async def all_answered(bot, talk, count):
    """Wait until every copy was answered, and see that all were told of the same bubble."""
    await bot.wecom.book.until(lambda: len(talk.streams) >= count, 10)
    assert len(talk.streams) == count
    assert len(set(talk.streams)) == 1


async def test_d2_a_message_that_comes_up_to_four_times_is_one_turn_in_one_bubble(faked, fake):
    chance = random.Random(SEED)

    async def message(n):
        talk = await faked.wecom.say(
            ("zhangsan", "lisi", "wangwu")[n % 3], f"word {n}", group=f"g{n % CHATS}", msgid=f"m{n}"
        )
        if not talk.delivered:  # WeCom holds back who has too many answers open
            return talk, 0
        more = chance.randrange(4)
        await copies(faked, talk, more, chance.uniform(0, LATEST_COPY_S))
        return talk, 1 + more

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        tasks = [group.create_task(message(n)) for n in range(MESSAGES)]
    said = [task.result() for task in tasks if task.result()[1]]
    assert len(said) > CHATS
    for talk, count in said:
        await all_answered(faked, talk, count)
        await brought(faked, (await faked.store.turns.by_message(talk.msgid)).n)
    asked = sorted(prompt.text for prompt in fake.prompts)
    assert asked == sorted(f"word {talk.msgid[1:]}" for talk, _ in said)
    assert faked.wecom.violations == []


async def test_d2_four_copies_on_four_connections_at_once_are_one_turn(faked, fake):
    go_on = asyncio.Event()
    fake.script(hang(go_on), say("Once."))
    talk = await faked.wecom.say("zhangsan", "work", copies=4)
    assert len(talk.streams) == 4
    assert len(set(talk.streams)) == 1
    go_on.set()
    assert "Once." in await talk.done()
    assert len(fake.prompts) == 1


async def test_d3_copies_before_and_after_a_restart_are_one_turn_in_one_bubble(faked, fake):
    go_on = asyncio.Event()
    fake.script(hang(go_on), say("Running, then answered."))
    fake.script(say("Answered before."))
    running = await faked.wecom.say("zhangsan", "work", copies=2)
    await prompted(fake, 1)
    over = await faked.wecom.say("lisi", "short", copies=2)
    assert "Answered before." in await over.done()
    await faked.restart()
    for talk in (running, over):
        await faked.wecom.say(talk.origin.member, "again", msgid=talk.msgid, copies=2)
    go_on.set()
    assert "Running, then answered." in await running.done()
    for talk in (running, over):
        await all_answered(faked, talk, 4)
    assert [prompt.text for prompt in fake.prompts] == ["work", "short"]
    assert faked.wecom.violations == []


async def test_d4_what_is_written_at_once_runs_in_the_order_in_which_it_arrived(faked, fake):
    go_on = asyncio.Event()
    fake.script(hang(go_on), say("First."))
    await faked.wecom.say("boss", "word first", group="team")

    async def write(n, word):
        await faked.wecom.say(TEAM[n % len(TEAM)], word, group="team", msgid=f"id of {word}")

    words = [f"word {n}" for n in range(LINE)]
    random.Random(SEED).shuffle(words)
    async with asyncio.TaskGroup() as group:
        for n, word in enumerate(words[: LINE // 2]):  # these arrive together, in whatever order
            group.create_task(write(n, word))
    for n, word in enumerate(words[LINE // 2 :]):  # and these one behind the other
        await write(n, word)
    turns = [await faked.store.turns.by_message(f"id of {word}") for word in words]
    assert [turn.n for turn in turns[LINE // 2 :]] == list(range(2 + LINE // 2, 2 + LINE))
    go_on.set()
    for turn in turns:
        await brought(faked, turn.n)
    arrived = [turn.text for turn in sorted(turns, key=lambda turn: turn.n)]
    assert [prompt.text for prompt in fake.prompts] == ["word first", *arrived]
    assert sorted(arrived) == sorted(words)


async def test_d4_a_refresh_of_a_bubble_that_nobody_knows_is_answered_with_a_sentence(faked, fake):
    talk = await faked.wecom.say("zhangsan", "hello")
    await talk.done()
    talk.bubble.stream = "f" * 64
    talk.bubble.state = "open"
    await faked.wecom.poll(talk)
    assert talk.finished
    assert delivery_texts.UNKNOWN_BUBBLE.say("zh") in talk.text
