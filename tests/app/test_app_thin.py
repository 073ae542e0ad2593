"""From a person's words to the final answer: the passive reply at once, the answer by the API."""

from bot.messages import Answer


async def test_a_message_is_answered_at_once_and_its_final_is_pushed(edge):
    assert await edge.wecom.verify_url()
    talk, turn, reply = await edge.asked("fix the tests")
    assert talk.text == f"已排队 #{turn.n}"
    assert talk.attempts == ["ok"]
    await edge.end(turn)
    await reply.finish(Answer("the answer", "✅ done"))
    assert await talk.late_reply() == "the answer\n\n✅ done"
    await edge.settled()
    assert (await edge.delivery(turn)).state == "sent"
    assert edge.violations == []
