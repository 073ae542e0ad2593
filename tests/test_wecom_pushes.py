"""The ledger of pushes where the store fails an outlet: nothing stays on its way."""

import pytest

from bot.background import Background
from bot.errors import StoreError
from handlers.wecom.outcome import Outcome
from handlers.wecom.pushes import Pushes
from store import open_store
from store.records import NewDelivery

CHAT = "wecom:direct:zhangsan"
CHANNEL = "callback"  # of whatever belongs to no message


class Outlet:
    """Says what became of each delivery; a failure is raised."""

    up = True

    def __init__(self, *said, doubting=False):
        self.said = list(said)
        self.asked = []
        self.doubting = doubting

    async def push(self, delivery):
        self.asked.append(delivery.id)
        said = self.said.pop(0)
        if isinstance(said, Exception):
            raise said
        return said

    again = push

    def doubts(self, _):
        return self.doubting


@pytest.fixture
async def background():
    async with Background() as background:
        yield background


@pytest.fixture
async def store(tmp_path):
    async with await open_store(f"sqlite:///{tmp_path}/bot.db") as store:
        yield store


@pytest.fixture
async def due(store):
    new = NewDelivery(chat=CHAT, turn=None, message="M", body="b", footer="", more="", at=1)
    return await store.deliveries.add(new)


async def state(store, delivery):
    return (await store.deliveries.get(delivery.id)).state


async def test_what_the_store_fails_to_tell_an_outlet_is_brought_later(store, background, due):
    outlet = Outlet(StoreError("busy"), Outcome("sent"))
    pushes = Pushes(store, CHANNEL, outlet, background, lambda: 1000)
    await pushes.flush(CHAT)
    assert await state(store, due) == "due"
    later = Pushes(store, CHANNEL, outlet, background, lambda: 1_000_000)
    await later.flush(CHAT)
    assert await state(store, due) == "sent"


async def test_what_the_last_run_left_is_looked_at_until_the_store_tells_of_it(
    store, background, due
):
    await store.deliveries.push(due.id, CHANNEL)
    outlet = Outlet(StoreError("busy"), Outcome("doubtful", "cut off"))
    pushes = Pushes(store, CHANNEL, outlet, background, lambda: 1000)
    pushes._cut_off = await store.deliveries.all_sending(CHANNEL)
    with pytest.raises(StoreError):
        await pushes.retry_once()
    assert await state(store, due) == "sending"
    await pushes.retry_once()
    assert (await state(store, due), outlet.asked) == ("unknown", [due.id, due.id])


async def test_a_clock_that_was_set_back_holds_nothing_up(store, background, due):
    outlet = Outlet(Outcome("unsent"), Outcome("sent"))
    await Pushes(store, CHANNEL, outlet, background, lambda: 86_400_000).flush(CHAT)
    assert await state(store, due) == "due"
    await Pushes(store, CHANNEL, outlet, background, lambda: 86_399_999).flush(CHAT)
    assert await state(store, due) == "due"
    await Pushes(store, CHANNEL, outlet, background, lambda: 1000).flush(CHAT)
    assert await state(store, due) == "sent"


async def test_what_may_be_there_already_stays_on_its_way_until_it_is_brought(
    store, background, due
):
    now = [1000]
    outlet = Outlet(Outcome("limited", "errcode 45009"), Outcome("sent"), doubting=True)
    pushes = Pushes(store, CHANNEL, outlet, background, lambda: now[0])
    await pushes.flush(CHAT)
    assert await state(store, due) == "sending"
    assert await store.deliveries.waiting(CHAT) == []  # so that no contact shows it once more
    await pushes.flush(CHAT)
    assert outlet.asked == [due.id]  # not before its time
    now[0] += 120_000
    await pushes.flush(CHAT)
    assert (await state(store, due), outlet.asked) == ("sent", [due.id, due.id])
