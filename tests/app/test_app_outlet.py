"""What leaves by the application: in order, each once, never more than WeCom brings."""

from dataclasses import replace

import pytest

from bot.messages import Answer
from handlers.wecom.app.outlet import RESTARTED_MS
from tests.fakes.edge import until

MINUTE = 60_000
DONE = "the answer\n\n✅ done"
LONG = "\n".join("x" * 60 for _ in range(100))


async def finished(edge, turn, reply, body="the answer"):
    """End a turn, and wait for what becomes of its answer."""
    await edge.end(turn, body)
    await reply.finish(Answer(body, "✅ done", "/result"))
    await edge.settled()
    return await edge.delivery(turn)


@pytest.fixture
async def asked(edge):
    return await edge.asked()


async def test_a_long_answer_comes_in_numbered_messages_one_after_another(edge, asked):
    _, turn, reply = asked
    kept = await finished(edge, turn, reply, "\n".join(f"line {n} " + "x" * 50 for n in range(150)))
    assert kept.state == "sent"
    said = edge.said()
    assert [part.partition("\n")[0] for part in said] == [
        f"({n}/{len(said)})" for n in range(1, len(said) + 1)
    ]
    assert len(said) > 3
    assert edge.violations == []


async def test_answers_of_a_chat_leave_in_their_order(edge):
    turns = [await edge.asked(f"question {n}") for n in range(5)]
    edge.corp_api.faults.calls.append("hang")
    for n, (_, turn, reply) in enumerate(turns):
        await edge.end(turn, f"answer {n}")
        await reply.finish(Answer(f"answer {n}"))
    edge.corp_api.faults.going_on.set()
    await edge.settled()
    assert [said.split("\n")[0] for said in edge.said()] == [f"answer {n}" for n in range(5)]


@pytest.mark.parametrize("fault", ["lose_answer", "refuse_503", "no_json"])
async def test_a_push_in_doubt_is_repeated_once_and_seen_once(edge, asked, fault):
    _, turn, reply = asked
    edge.corp_api.faults.calls.append(fault)
    kept = await finished(edge, turn, reply)
    assert kept.state == "sent"
    assert edge.said() == [DONE]
    assert edge.corp_api.calls["message/send"] == 2
    assert edge.violations == []


async def test_a_push_that_stays_in_doubt_is_told_so(edge, asked):
    _, turn, reply = asked
    edge.corp_api.faults.calls.extend(["lose_answer", "refuse_503"])
    kept = await finished(edge, turn, reply)
    assert (kept.state, kept.cause) == ("unknown", "status 503")
    assert edge.said() == [DONE]


@pytest.mark.parametrize("later", [20, 40])
async def test_a_push_in_doubt_is_repeated_only_while_wecom_knows_copies(edge, asked, later):
    _, turn, reply = asked
    edge.corp_api.faults.calls.extend(["lose_answer", 60020])
    assert (await finished(edge, turn, reply)).state == "sending"
    edge.clock.now += later * MINUTE
    await edge.retry()
    assert (await edge.delivery(turn)).state == ("sent" if later == 20 else "unknown")
    assert edge.said() == [DONE]


async def test_l1_after_45009_answers_come_late_once_and_in_order(edge):
    turns = [await edge.asked(f"question {n}") for n in range(3)]
    edge.corp_api.faults.calls.append(45009)
    for n, (_, turn, reply) in enumerate(turns):
        await finished(edge, turn, reply, f"answer {n}")
    assert edge.said() == []
    await edge.retry()
    assert edge.corp_api.calls["message/send"] == 1
    edge.clock.now += 2 * MINUTE
    await edge.retry()
    assert [said.split("\n")[0] for said in edge.said()] == ["answer 0", "answer 1", "answer 2"]
    assert edge.violations == []


async def test_l1_while_the_address_is_not_trusted_answers_wait_and_then_come(edge, asked):
    _, turn, reply = asked
    edge.corp_api.faults.calls.append(60020)
    kept = await finished(edge, turn, reply)
    assert (kept.state, kept.cause) == ("due", "errcode 60020")
    edge.clock.now += 2 * MINUTE
    await edge.retry()
    assert edge.said() == [DONE]


async def test_a_member_who_is_gone_is_given_up_and_holds_nobody_up(edge, asked):
    _, turn, reply = asked
    edge.corp_api.absent.add("zhangsan")
    kept = await finished(edge, turn, reply)
    assert (kept.state, kept.cause) == ("failed", "errcode 81013")
    _, turn, reply = await edge.asked(member="lisi")
    assert (await finished(edge, turn, reply)).state == "sent"


async def test_what_arrived_of_an_answer_is_not_sent_again(edge, asked):
    _, turn, reply = asked
    edge.corp_api.faults.going_on.set()
    edge.corp_api.faults.calls.extend(["hang", "hang", 45009])  # the first two arrive
    kept = await finished(edge, turn, reply, LONG)
    assert kept.state == "sending"
    first = edge.said()
    assert len(first) == 2
    edge.clock.now += 2 * MINUTE
    await edge.retry()
    assert edge.said()[:2] == first
    assert edge.said()[-1].endswith("✅ done")
    assert edge.corp_api.calls["copies"] == 0
    assert len(set(edge.said())) == len(edge.said())


async def test_over_the_limit_of_a_member_answers_wait_and_wecom_drops_none(edge):
    turns = [await edge.asked(f"question {n}") for n in range(35)]
    for n, (_, turn, reply) in enumerate(turns):
        await edge.end(turn, f"answer {n}")
        await reply.finish(Answer(f"answer {n}"))
    await edge.settled()
    assert len(edge.said()) == 30
    edge.clock.now += 2 * MINUTE
    await edge.retry()
    assert [said.split("\n")[0] for said in edge.said()] == [f"answer {n}" for n in range(35)]
    assert edge.violations == []


async def test_one_member_at_the_limit_holds_up_no_other(edge):
    for n in range(31):
        await edge.pushes.notice("wecom:direct:zhangsan", f"m{n}", f"notice {n}")
    await edge.pushes.notice("wecom:direct:lisi", "m", "notice")
    # Notices of messages that nobody sent are of the callback; these are the application's.
    await edge.store.deliveries.move_house("callback", "app")
    await edge.retry()
    assert len(edge.said("zhangsan")) == 30
    assert edge.said("lisi") == ["notice"]


async def test_equal_answers_of_two_turns_are_both_seen(edge):
    for _ in range(2):
        _, turn, reply = await edge.asked()
        assert (await finished(edge, turn, reply)).state == "sent"
    assert edge.said() == [DONE, f"{DONE}\n(2)"]
    assert edge.corp_api.calls["copies"] == 0


async def test_a_group_is_nothing_that_an_application_can_reach(edge, asked):
    _, turn, _ = asked
    await edge.end(turn)
    kept = await edge.delivery(turn)
    outcome = await edge.channel.replies.outlet.push(
        type(kept)(
            **{name: getattr(kept, name) for name in kept.__slots__} | {"chat": "wecom:group:g"}
        )
    )
    assert outcome.kind == "barred"


# A restart.


async def on_its_way(edge, turn, *, arrived):
    """Leave a delivery as a killed service leaves it: taken, and perhaps with WeCom."""
    await edge.end(turn)
    kept = await edge.delivery(turn)
    taken = await edge.store.deliveries.push(kept.id, "app")
    assert taken is not None
    if arrived:
        assert (await edge.channel.replies.outlet.push(taken)).kind == "sent"
    await edge.restart()
    await edge.channel.recover()


@pytest.mark.parametrize("arrived", [True, False])
async def test_c20_what_was_on_its_way_at_a_restart_is_repeated_and_seen_once(edge, asked, arrived):
    _, turn, _ = asked
    await on_its_way(edge, turn, arrived=arrived)
    await edge.until_sent(turn)
    assert edge.said() == [DONE]
    assert edge.violations == []


async def test_what_was_on_its_way_too_long_ago_is_in_doubt(edge, asked):
    _, turn, _ = asked
    await edge.end(turn)
    taken = await edge.store.deliveries.push((await edge.delivery(turn)).id, "app")
    edge.clock.now = taken.changed_at + RESTARTED_MS
    outcome = await edge.channel.replies.outlet.again(taken)
    assert outcome.kind == "doubtful"
    assert edge.said() == []


async def test_an_answer_whose_first_part_left_too_long_ago_is_in_doubt_however_late_the_last_did(
    edge, asked
):
    _, turn, _ = asked
    await edge.end(turn)
    taken = await edge.store.deliveries.push((await edge.delivery(turn)).id, "app")
    edge.clock.now = taken.created_at + RESTARTED_MS
    late = replace(taken, attempts=2, changed_at=edge.clock.now - MINUTE)
    assert (await edge.channel.replies.outlet.again(late)).kind == "doubtful"
    assert edge.said() == []
    early = replace(late, created_at=taken.created_at + MINUTE)
    assert (await edge.channel.replies.outlet.again(early)).kind == "sent"


async def test_an_answer_put_off_for_long_before_a_restart_is_in_doubt(edge, asked):
    _, turn, reply = asked
    edge.corp_api.faults.going_on.set()
    edge.corp_api.faults.calls.extend(["hang", *[45009] * 30])  # the first of several arrives
    assert (await finished(edge, turn, reply, LONG)).state == "sending"
    while edge.clock.now - (await edge.delivery(turn)).created_at < RESTARTED_MS:
        edge.clock.now += 2 * MINUTE
        await edge.retry()
    first = edge.said()
    await edge.restart()
    edge.corp_api.faults.calls.clear()
    await edge.channel.recover()
    await edge.until_sent(turn, "unknown")
    assert edge.said() == first
    assert len(first) == 1


async def test_what_a_repeat_has_cleared_of_a_cut_off_answer_does_not_make_the_rest_young(
    edge, asked
):
    _, turn, reply = asked
    edge.corp_api.faults.going_on.set()
    edge.corp_api.faults.calls.extend(["hang", "hang", 45009])
    assert (await finished(edge, turn, reply, LONG)).state == "sending"
    first = edge.said()
    await edge.restart()
    edge.corp_api.faults.calls.extend(["hang", *[45009] * 30])  # a copy of the first is taken
    await edge.channel.recover()
    while (await edge.delivery(turn)).state == "sending":
        edge.clock.now += 2 * MINUTE
        await edge.retry()
    assert (await edge.delivery(turn)).state == "unknown"
    assert edge.said() == first


async def test_what_is_due_at_a_start_leaves(edge, asked):
    _, turn, _ = asked
    await edge.end(turn)
    await edge.restart()
    await edge.channel.recover()
    await until(lambda: edge.said() == [DONE])


async def test_after_a_restart_an_equal_answer_is_seen_and_what_was_said_counts(edge):
    for _ in range(2):
        _, turn, reply = await edge.asked()
        assert (await finished(edge, turn, reply)).state == "sent"
        await edge.restart()
        await edge.channel.recover()
    assert edge.said() == [DONE, f"{DONE}\n(2)"]
    assert edge.channel.replies.outlet._budget.left("zhangsan", edge.clock()) == 28


async def test_what_leaves_in_between_is_counted_before_each_part(edge, asked):
    _, turn, reply = asked
    outlet = edge.channel.replies.outlet
    for _ in range(28):
        outlet._budget.spend("zhangsan", edge.clock())
    edge.corp_api.faults.calls.append("hang")  # the first part; meanwhile something else leaves
    await edge.end(turn, "\n".join("x" * 60 for _ in range(40)), more="")
    await reply.finish(Answer("the answer"))
    await until(lambda: edge.corp_api.calls["message/send"] == 1)
    outlet._budget.spend("zhangsan", edge.clock())
    edge.corp_api.faults.going_on.set()
    await edge.settled()
    assert (len(edge.said()), (await edge.delivery(turn)).state) == (1, "sending")
    edge.clock.now += 2 * MINUTE
    await edge.retry()
    assert (len(edge.said()), (await edge.delivery(turn)).state) == (2, "sent")


async def test_what_a_channel_owes_that_is_off_leaves_when_it_is_asked_for(edge, asked):
    _, turn, _ = asked
    await edge.end(turn)
    await edge.store.deliveries.move_house("app", "connection")
    await edge.channel.replies.deliver((await edge.delivery(turn)).id)
    await edge.settled()
    assert edge.said() == [DONE]


# News of a turn that runs.


async def test_news_come_every_three_minutes_and_later_every_ten(edge, asked):
    reply = asked[2]
    minutes = [*range(3, 30, 3), 37, 47, 57]
    for minute in range(1, 62):
        edge.clock.now += MINUTE
        reply.update(f"⏳ {minute}m")
        expected = [f"⏳ {each}m" for each in minutes if each <= minute]
        await until(lambda expected=expected: edge.said() == expected)
        await until(lambda: not edge.channel.replies.outlet._line("zhangsan").locked())
    assert edge.violations == []


async def test_news_never_come_behind_the_answer(edge, asked):
    _, turn, reply = asked
    edge.corp_api.faults.calls.append("hang")
    edge.clock.now += 3 * MINUTE
    reply.update("⏳ 3m")
    await until(lambda: edge.corp_api.calls["message/send"] == 1)
    await edge.end(turn)
    await reply.finish(Answer("the answer"))
    edge.clock.now += 3 * MINUTE
    reply.update("⏳ 6m")
    edge.corp_api.faults.going_on.set()
    await edge.settled()
    assert edge.said() == ["⏳ 3m", DONE]


async def test_news_are_left_out_when_the_member_has_had_nearly_enough(edge, asked):
    _, turn, reply = asked
    for n in range(24):
        await edge.channel.replies.outlet.send(
            "zhangsan", {"msgtype": "text", "text": {"content": f"{n}"}}
        )
    edge.clock.now += 1000
    reply._told_at = 0
    reply.update("⏳")
    kept = await finished(edge, turn, reply)
    assert kept.state == "sent"
    assert "⏳" not in edge.said()


async def test_an_ask_is_a_message_of_its_own_and_is_kept(edge, asked):
    talk, turn, reply = asked
    edge.corp_api.faults.calls.append(45009)
    await reply.notify("🔐 a7k")
    await edge.settled()
    (notice,) = await edge.store.deliveries.notices_of(turn.message)
    assert (notice.state, notice.channel) == ("due", "app")
    edge.clock.now += 2 * MINUTE
    await edge.retry()
    assert await talk.late_reply() == "🔐 a7k"


async def test_a_delivery_that_is_asked_for_leaves_once(edge, asked):
    _, turn, _ = asked
    await edge.end(turn)
    kept = await edge.delivery(turn)
    for _ in range(2):
        await edge.channel.replies.deliver(kept.id)
        await edge.settled()
    await edge.channel.replies.deliver(kept.id + 1)
    assert edge.said() == [DONE]
