"""D6, D7, L1: an answer that nobody waits for, one that is too long, and a WeCom that holds us back.

It arrives once, or is kept until somebody fetches it; and whatever had to be cut off can be read.
"""

import asyncio
import re

import pytest

from bot.fitting import open_fence
from bot.texts import engine as texts
from handlers.wecom.wire import STREAM_BYTES
from store.database import Statement
from tests.fakes.edge import FAST, MINUTE, SHOWN, Edge, asked, finished, until
from tests.fakes.opencode_turns import hang, say

WORD = re.compile(r"word-\d+-字")


@pytest.fixture
async def edge(tmp_path):
    async with asyncio.timeout(30), Edge(tmp_path) as edge:
        yield edge


# D6: the person has left, and WeCom asks for nothing


async def test_d6_nobody_polls_for_six_minutes_and_the_final_comes_once_as_a_message(edge):
    stream, reply = await asked(edge)
    edge.clock.now += 6 * MINUTE
    assert (await finished(edge, reply)).state == "sent"
    for _ in range(3):
        await edge.retry()
        shown = await edge.poll(stream)
    assert edge.late.texts == [SHOWN]
    assert (shown["finish"], "the answer" in shown["content"]) == (True, False)


async def test_d6_without_a_way_the_final_is_kept_and_found_by_result_or_the_next_contact(
    fake, make_bot
):
    bot = await make_bot(fake, options={"timing": FAST})
    await bot.ready()
    bot.wecom.polling = False
    go_on = asyncio.Event()
    fake.script(hang(go_on), say("Kept for you."))
    talk = await bot.wecom.say("zhangsan", "work")
    await until(lambda: fake.prompts)
    await bot.store.database.write(Statement("UPDATE inbound SET reply_url_state = 'used'"))
    go_on.set()
    await until(lambda: not len(bot.turns))
    bot.wecom.polling = True
    contact = await bot.wecom.say("zhangsan", "/status")
    await contact.done()

    def shown():
        """Everything that can be seen: WeCom asks for the first bubble again as well."""
        return "".join([talk.text, contact.text, *(item.content for item in contact.late)])

    # In its bubble, on top of the reply, or by the address that the contact brought: once.
    await until(lambda: "Kept for you." in shown())
    assert shown().count("Kept for you.") == 1
    assert "Kept for you." not in await (await bot.wecom.say("zhangsan", "/status")).done()
    assert "Kept for you." in await (await bot.wecom.say("zhangsan", "/result 1")).done()


# D7: an answer of 200 KB


def long_answer():
    """Return 200 KB of Markdown: paragraphs, and a block of code that no bubble can hold whole."""
    words = iter(f"word-{n}-字" for n in range(100_000))
    pieces, size = [], 0
    while size < 200 * 1024:
        prose = " ".join(next(words) for _ in range(300))
        code = "\n".join(next(words) for _ in range(600))
        pieces += [prose, f"```python\n{code}\n```"]
        size += len(pieces[-1].encode()) + len(prose.encode())
    return "\n\n".join(pieces)


async def test_d7_a_long_answer_is_cut_between_characters_and_fences_and_all_of_it_can_be_read(
    fake, make_bot
):
    whole = long_answer()
    bot = await make_bot(fake, BOT_PUBLIC_URL="")
    await bot.ready()
    fake.script(say(whole))
    shown = await (await bot.wecom.say("zhangsan", "write a lot")).done()
    assert "/result 1 2" in shown
    read, part = [], 1
    while True:
        text = await (await bot.wecom.say("zhangsan", f"/result 1 {part}")).done()
        for each in (shown, text):
            assert len(each.encode()) <= STREAM_BYTES
            assert open_fence(each) is None
        read += WORD.findall(text)
        part += 1
        if f"/result 1 {part}" not in text:
            break
    assert part > 10
    assert read == WORD.findall(whole)
    assert WORD.findall(shown) == read[: len(WORD.findall(shown))]


async def test_d7_the_same_holds_for_an_answer_that_leaves_by_its_address(edge):
    _, reply = await asked(edge, text="later")
    await finished(edge, reply, body=long_answer())
    (text,) = edge.late.texts
    assert len(text.encode()) <= STREAM_BYTES
    assert open_fence(text) is None
    assert text.endswith("/result\n\n✅ done")


# L1: WeCom refuses


async def test_l1_held_back_a_final_is_late_and_comes_once(edge):
    edge.late.script = [45009, 45033, 846607]
    _, reply = await asked(edge, text="later")
    delivery = await finished(edge, reply)
    for posts in (2, 3, 4):
        assert delivery.next_at - edge.clock.now >= 60_000
        edge.clock.now = delivery.next_at
        await edge.retry()
        delivery = await edge.delivery("M1")
        assert len(edge.late.posts) == posts
    assert delivery.state == "sent"
    await edge.retry()
    assert edge.late.codes == ["M1"] * 4


@pytest.mark.parametrize("code", [40008, 44004, 45002, 48002, 50003, 60020, 93004, 93008])
async def test_l1_a_permanent_refusal_is_a_dead_letter_until_somebody_wants_it(edge, code):
    edge.late.script = [code]
    _, reply = await asked(edge, text="later")
    assert (await finished(edge, reply)).state == "failed"
    await edge.say("/status", "C1")
    await edge.retry()
    assert len(edge.late.posts) == 1
    delivery = await edge.delivery("M1")
    assert await edge.store.deliveries.retry(delivery.id)
    await edge.edge.replies.deliver(delivery.id)
    assert edge.late.codes == ["M1", "C1"]


async def test_l1_the_chat_is_told_once_of_a_dead_letter_and_result_shows_it(fake, make_bot):
    bot = await make_bot(fake)
    await bot.ready()
    fake.script(say("Never mind."))
    await (await bot.wecom.say("zhangsan", "work")).done()
    await until(lambda: not len(bot.turns))
    await bot.store.database.write(Statement("UPDATE deliveries SET state = 'failed'"))
    shown = await (await bot.wecom.say("zhangsan", "/whoami")).done()
    assert any(texts.FAILED_DELIVERY.say(one, n=1) in shown for one in ("zh", "en"))
    assert "/result 1" not in await (await bot.wecom.say("zhangsan", "/whoami")).done()
    assert "Never mind." in await (await bot.wecom.say("zhangsan", "/result 1")).done()
    delivery = await bot.store.deliveries.of_turn(1)
    assert (delivery.state, delivery.via) == ("sent", "result")
