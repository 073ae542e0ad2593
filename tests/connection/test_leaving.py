"""A crash beside a stream's last frame: nobody else's words take the place of what stands there."""

from bot.texts import delivery as texts
from handlers.wecom.connection.channel import CONNECTION
from tests.connection.stage import MINUTE, SHOWN, until


async def running(stage):
    """Let a turn run and show something; return its talk."""
    talk = await stage.say("hello", "M1")
    (await stage.reply("M1")).update("half")
    await until(lambda: talk.bubble.content == "half")
    return talk


async def left(stage, talk):
    """Have its stream left with words that were kept, and no note that they were said."""
    bubble = stage.edge.parts.bubbles._bubbles.pop("M1")
    await stage.edge.parts.pump.hand_over(bubble)
    words, stream = talk.bubble.content, talk.bubble.stream
    await stage.store.inbox.reopen("M1", stream)
    await stage.store.inbox.show([(stream, words, False)])
    return words


async def test_an_old_stream_is_not_left_while_its_final_is_on_its_way(stage, clock):
    talk = await running(stage)
    await stage.end("M1")
    delivery = await stage.store.deliveries.of_turn(1)
    taken = await stage.store.deliveries.push(delivery.id, CONNECTION)
    stage.edge.parts.bubbles._bubbles.clear()
    clock.after(5 * MINUTE)
    row = await stage.store.inbox.find("M1")
    assert not await stage.edge.parts.recovery._taken_up(row)
    outcome = await stage.edge.parts.bubbles.finish_again(taken)
    assert (outcome.kind, await stage.finished(talk)) == ("sent", SHOWN)
    assert (len(talk.bubbles), talk.late, stage.codes) == (1, [], [])


async def test_a_stream_that_may_have_been_left_is_left_with_the_same_words(stage):
    talk = await running(stage)
    words = await left(stage, talk)
    await stage.crash()
    (await stage.reply("M1")).update("more")
    await until(lambda: len(talk.bubbles) == 2)
    assert next(iter(talk.bubbles.values())).content == words
    assert stage.codes == []


async def test_a_final_does_not_go_into_a_stream_that_may_have_been_left(stage):
    talk = await running(stage)
    words = await left(stage, talk)
    await stage.end("M1")
    await stage.crash()
    assert await talk.late_reply() == SHOWN
    assert (talk.text, stage.codes) == (words, [])


async def test_a_stream_is_not_left_with_words_that_cannot_be_kept(stage):
    talk = await running(stage)
    bubble = stage.edge.parts.bubbles.find("M1")
    await stage.store.close()
    await stage.edge.parts.pump.hand_over(bubble)
    assert (talk.bubble.state, talk.text) == ("open", "half")


async def test_a_final_that_a_contact_took_after_a_crash_leaves_no_stream_open(stage, clock):
    talk = await running(stage)
    await stage.end("M1")
    stage.edge.parts.bubbles._bubbles.clear()
    clock.after(5 * MINUTE)
    row = await stage.store.inbox.find("M1")
    recovery = stage.edge.parts.recovery
    assert not await recovery._taken_up(row)
    delivery = await stage.store.deliveries.of_turn(1)
    other = await stage.say("/status", "M2")
    await stage.store.inbox.bring(other.stream, [delivery.id], [], lambda _: SHOWN, finished=True)
    assert await recovery._taken_up(row)
    await stage.finished(talk)
    assert texts.HANDED_OVER.zh not in talk.text
    assert (len(talk.bubbles), stage.codes) == (1, [])
