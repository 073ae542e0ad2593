"""What waited for a chat is shown first at its next contact, once."""

import asyncio

import pytest

from bot.outbox import (
    CONTACT_BYTES,
    EACH_BYTES,
    LEAVING_MS,
    SEAM,
    Contact,
    Outbox,
    with_prefix,
)
from bot.texts import engine as texts
from store import open_store
from store.records import NewDelivery
from tests.store.samples import CHAT, a_delivery, accept, end, in_doubt

CONTACT = Contact(CHAT, "stream-m1", "hello", finished=True)


@pytest.fixture
async def store(tmp_path):
    async with await open_store(f"sqlite:///{tmp_path}/bot.db") as opened:
        yield opened


@pytest.fixture
def outbox(store):
    return Outbox(store, lambda: 5_000)


async def answered(store, *bodies):
    """Let turns end whose answers wait."""
    for n, body in enumerate(bodies, start=1):
        await accept(store, f"m{n}")
        await store.turns.claim(CHAT, 1)
        await end(store, n, delivery=a_delivery(n, body=body))


async def states(store, *turns):
    return [(await store.deliveries.of_turn(n)).state for n in turns]


async def test_what_waits_is_shown_oldest_first_with_its_number(store, outbox):
    await answered(store, "one", "two")
    shown = await outbox.at_contact(CONTACT, "en")
    assert shown == "\n\n".join(
        [
            texts.WAITING_ANSWER.say("en", n=1),
            "one",
            "footer",
            texts.WAITING_ANSWER.say("en", n=2),
            "two",
            "footer",
        ]
    )
    assert await states(store, 1, 2) == ["sent", "sent"]
    assert (await store.inbox.find("m1")).shown == with_prefix(shown, CONTACT.text)
    assert await outbox.at_contact(CONTACT, "en") == ""


async def test_an_answer_that_is_just_being_brought_is_left_alone(store, outbox):
    await answered(store, "one", "two")
    shown = await outbox.at_contact(CONTACT, "en", but=1)
    assert "one" not in shown
    assert "two" in shown
    assert await states(store, 1, 2) == ["due", "sent"]


async def test_what_is_about_to_be_pushed_by_itself_is_left_alone_for_a_moment(store):
    await answered(store, "one")
    await store.deliveries.move_house("callback", "app")
    created = (await store.deliveries.of_turn(1)).created_at
    early = Outbox(store, lambda: created + LEAVING_MS - 1)
    assert await early.at_contact(CONTACT, "en") == ""
    late = Outbox(store, lambda: created + LEAVING_MS)
    assert "one" in await late.at_contact(CONTACT, "en")


async def test_what_does_not_fit_waits_for_the_next_contact(store, outbox):
    long = "word " * EACH_BYTES
    await answered(store, long, long, long)
    shown = await outbox.at_contact(CONTACT, "en")
    assert len(shown.encode()) <= CONTACT_BYTES
    assert "more" in shown
    assert await states(store, 1, 2, 3) == ["sent", "due", "due"]
    assert texts.WAITING_ANSWER.say("en", n=2) in await outbox.at_contact(CONTACT, "en")


async def test_one_is_shown_whatever_its_size(store, outbox):
    await accept(store)
    long = "x" * (CONTACT_BYTES + 1)
    await store.deliveries.add(NewDelivery(CHAT, None, "m1", "body", long, "", 1))
    assert await outbox.at_contact(CONTACT, "en") == f"body\n\n{long}"


async def test_two_contacts_at_once_do_not_both_show_it(store, outbox):
    await answered(store, "one")
    async with asyncio.TaskGroup() as group:
        jobs = [group.create_task(outbox.at_contact(CONTACT, "en")) for _ in range(2)]
    assert sorted("one" in job.result() for job in jobs) == [False, True]


async def test_an_uncertain_answer_is_told_once_and_a_notice_never(store, outbox):
    await answered(store, "one")
    notice = await store.deliveries.add(NewDelivery(CHAT, None, "m1", "notice", "", "", 1))
    own = await store.deliveries.of_turn(1)
    for delivery in (notice.id, own.id):
        await in_doubt(store, delivery)
    assert await outbox.at_contact(CONTACT, "en") == texts.UNKNOWN_DELIVERY.say("en", n=1)
    assert await outbox.at_contact(CONTACT, "en") == ""


async def test_a_failed_answer_is_told_once_and_a_failed_notice_is_shown_itself(store, outbox):
    await answered(store, "one")
    notice = await store.deliveries.add(NewDelivery(CHAT, None, "m1", "news", "", "", 1))
    own = await store.deliveries.of_turn(1)
    for delivery in (notice.id, own.id):
        await store.deliveries.settle(delivery, "failed", "errcode 45002")
    shown = await outbox.at_contact(CONTACT, "en")
    assert shown == "\n\n".join(["news", texts.FAILED_DELIVERY.say("en", n=1)])
    assert await outbox.at_contact(CONTACT, "en") == ""
    assert await states(store, 1) == ["failed"]


async def test_what_is_taken_is_kept_with_what_its_bubble_shows(store, outbox):
    await answered(store, "one")
    shown = await outbox.at_contact(CONTACT, "en")
    kept = await store.inbox.by_stream(CONTACT.stream)
    assert kept.shown == f"{shown}{SEAM}hello"
    assert kept.finished


def test_without_anything_that_waited_a_bubble_shows_its_own_words_alone():
    assert with_prefix("", "text") == "text"
