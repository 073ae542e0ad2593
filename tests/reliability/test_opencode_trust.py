"""O7, one by one: while calls fail, one turn at a time tries, ever more rarely, for both kinds of server."""

import pytest

from bot.background import Background
from bot.opencode import server_trust
from bot.opencode.server import ExternalServer, ManagedServer
from bot.opencode.server_trust import PAUSES_S, TRY_S, Trust
from tests.opencode_fixtures import settings_in


class Timer:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def timer():
    return Timer()


@pytest.fixture
def trust(timer):
    return Trust(timer)


def test_all_may_call_until_a_call_fails(trust):
    assert all(trust.lent() for _ in range(3))
    trust.lost()
    assert not trust.lent()


def test_one_tries_at_a_time_and_more_rarely_each_time(trust, timer):
    trust.lost()
    for pause in (*PAUSES_S, PAUSES_S[-1]):
        timer.now += pause - 0.1
        assert not trust.lent()
        timer.now += 0.1
        assert trust.lent()
        assert not trust.lent()
        trust.lost()


def test_calls_that_fail_together_count_once(trust, timer):
    for _ in range(16):
        trust.lost()
    timer.now += PAUSES_S[0]
    assert trust.lent()


def test_a_try_that_tells_nothing_is_followed_by_another(trust, timer):
    trust.lost()
    timer.now += PAUSES_S[0]
    assert trust.lent()
    timer.now += TRY_S
    assert trust.lent()
    assert not trust.lent()


def test_a_try_that_succeeds_lets_all_go_on_and_the_pauses_begin_anew(trust, timer):
    trust.lost()
    timer.now += PAUSES_S[0]
    assert trust.lent()
    trust.lost()
    trust.won()
    assert all(trust.lent() for _ in range(3))
    trust.lost()
    timer.now += PAUSES_S[0]
    assert trust.lent()


@pytest.fixture(params=["managed", "external"])
async def server(request, tmp_path):
    """A server that answers its health and that nobody looks at meanwhile."""
    async with Background() as background:
        if request.param == "managed":
            server = ManagedServer(settings_in(tmp_path / "data"), background)
        else:
            server = ExternalServer("http://127.0.0.1:9", "", "", background)
        server._ready("1.18.33")
        yield server


async def test_o7_a_server_that_is_well_and_fails_is_tried_by_one_turn_for_all(server, monkeypatch):
    monkeypatch.setattr(server_trust, "PAUSES_S", (0.0,))
    assert all([await server.admit(0) for _ in range(3)])
    server.suspect()
    server._ready("1.18.33")  # its health is fine
    assert [await server.admit(0) for _ in range(3)] == [True, False, False]
    assert not server.may_call()
    server.trust()
    assert all([await server.admit(0) for _ in range(3)])


async def test_o7_who_waits_for_anothers_try_goes_on_as_soon_as_it_succeeds(server, background):
    server.suspect()
    server._ready("1.18.33")
    assert not server.may_call()
    background.start(succeed(server), name="another turn")
    assert await server.admit(3600)


@pytest.fixture
async def background():
    async with Background() as background:
        yield background


async def succeed(server):
    server.trust()


async def test_o7_a_server_that_was_started_anew_is_tried_at_once(server):
    server.suspect()
    server._down()
    assert not server.may_call()
    server._ready("1.18.33")
    assert [server.may_call() for _ in range(3)] == [True, False, False]
