"""What may be said in a chat: never more than WeCom takes, and always room for a final answer."""

from hypothesis import given
from hypothesis import strategies as st

from handlers.wecom.budget import HOUR_MS, MARGIN_MS, MINUTE_MS, Budget, Limits

SMALL = Limits(per_minute=3, per_hour=5, minute_reserve=1, hour_reserve=2)


def spent(budget, chat, *times):
    for at in times:
        budget.spend(chat, at)
    return budget


def test_a_fresh_chat_may_be_spoken_to_at_once():
    assert Budget().wait_ms("a", 0) == 0
    assert Budget().left("a", 0) == 30


def test_an_update_leaves_the_reserve_to_finals():
    budget = spent(Budget(SMALL), "a", 0, 1)
    assert budget.wait_ms("a", 2) == MINUTE_MS + MARGIN_MS - 2
    assert budget.wait_ms("a", 2, final=True) == 0
    assert budget.left("a", 2) == 1


def test_a_final_waits_when_the_whole_minute_is_spent():
    budget = spent(Budget(SMALL), "a", 0, 1, 2)
    assert budget.wait_ms("a", 3, final=True) == MINUTE_MS + MARGIN_MS - 3
    assert budget.left("a", 3) == 0


def test_the_window_slides():
    budget = spent(Budget(Limits(3, 100, minute_reserve=1, hour_reserve=2)), "a", 0, 1, 2)
    later = MINUTE_MS + MARGIN_MS
    assert budget.wait_ms("a", later, final=True) == 0
    assert budget.wait_ms("a", later) == 1
    assert budget.left("a", later) == 1


def test_an_hour_has_a_limit_and_a_reserve_of_its_own():
    minute = MINUTE_MS + MARGIN_MS
    budget = spent(Budget(SMALL), "a", 0, minute, 2 * minute)
    now = 3 * minute
    assert budget.wait_ms("a", now) == HOUR_MS + MARGIN_MS - now
    assert budget.wait_ms("a", now, final=True) == 0
    spent(budget, "a", now, now)
    assert budget.wait_ms("a", now + minute, final=True) == HOUR_MS - 4 * minute + MARGIN_MS
    assert budget.left("a", now + minute) == 0


def test_chats_do_not_share():
    budget = spent(Budget(SMALL), "a", 0, 1, 2)
    assert budget.wait_ms("b", 3) == 0


def test_a_rest_holds_up_everything_until_it_is_over():
    budget = Budget()
    budget.rest("a", 500)
    budget.rest("a", 300)
    assert budget.wait_ms("a", 100, final=True) == 400
    assert budget.left("a", 100) == 0
    assert budget.wait_ms("a", 500, final=True) == 0
    assert budget.left("a", 500) == 30


def test_a_clock_that_is_set_back_does_not_lock_a_chat_for_longer_than_a_window():
    budget = spent(Budget(SMALL), "a", HOUR_MS * 10, HOUR_MS * 10)
    assert budget.wait_ms("a", 0) == MINUTE_MS + MARGIN_MS


def test_what_counts_no_more_is_forgotten():
    budget = spent(Budget(SMALL), "a", 0)
    budget.rest("c", 5)
    spent(budget, "b", 3 * HOUR_MS)
    assert len(budget) == 1


@given(st.lists(st.tuples(st.integers(0, 2_000), st.booleans()), max_size=400))
def test_who_waits_as_told_never_exceeds_a_window(steps):
    budget, now, sent, updates = Budget(), 0, [], []
    for pause, final in steps:
        now += pause
        now += budget.wait_ms("a", now, final=final)
        assert budget.wait_ms("a", now, final=final) == 0
        budget.spend("a", now)
        sent.append(now)
        updates += [] if final else [now]
    for start in sent:
        within = [at for at in sent if start <= at < start + MINUTE_MS]
        assert len(within) <= 30
    for start in updates:
        assert len([at for at in updates if start <= at < start + MINUTE_MS]) <= 24


def test_what_is_spent_after_the_clock_was_set_back_holds_nothing_up_for_longer():
    budget = Budget()
    for _ in range(30):
        budget.spend("a", HOUR_MS)
    budget.spend("a", 0)
    assert budget.wait_ms("a", 0, final=True) <= MINUTE_MS + MARGIN_MS
