"""Faults of the callback, from its settings to what comes in: each is named with its mend."""

import pytest
from aiohttp.test_utils import unused_port

from bot.doctor.scene import look_around
from config.settings import load_settings
from tests.doctor.scenes import DAY, NOW, live, only, scene_in, seen, seen_in, stand_in
from tests.fakes.opencode import FakeOpenCode
from tests.service_fixtures import free_port
from tests.store.samples import accept

OTHER_KEY = "kWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"


@pytest.fixture
async def fake():
    async with FakeOpenCode() as server:
        yield server


async def look(bot, **changed):
    """Look at a running service with settings that differ from its own."""
    environ = bot.environ | changed
    return await look_around(load_settings(None, environ), None, environ)


def told(**callbacks):
    return live(platforms={"wecom.bot": {"on": True, "callbacks": callbacks, "open_bubbles": 0}})


async def test_half_a_bot_and_none_are_told_with_where_to_copy_from(tmp_path):
    scene = scene_in(tmp_path, WECOM_BOT_TOKEN=None, WECOM_BOT_AES_KEY=None)
    found = await only(scene, "wecom.settings")
    assert (found.grade, "no message comes in" in found.evidence) == ("error", True)
    assert "WECOM_BOT_AES_KEY" in found.mend


async def test_what_is_left_out_of_the_bots_settings_is_no_fault(tmp_path):
    found = await only(scene_in(tmp_path), "wecom.settings")
    assert (found.grade, "bot_id, name" in found.evidence) == ("fine", True)


async def test_a_callback_that_holds_the_key_is_fine_and_named(make_bot, fake):
    bot = await make_bot(fake)
    found = await only(await look(bot), "wecom.callback")
    assert found.grade == "fine"
    assert found.evidence.startswith(f"{bot.url}/wecom/bot proves the key")
    inside = await look(bot, BOT_PUBLIC_URL="")
    assert "is not known" in (await only(inside, "wecom.callback")).evidence


@pytest.mark.parametrize(
    "other", [{"WECOM_BOT_TOKEN": "otherToken"}, {"WECOM_BOT_AES_KEY": OTHER_KEY}]
)
async def test_a_service_that_runs_with_another_key_than_the_settings_is_named(
    make_bot, fake, other
):
    bot = await make_bot(fake)
    found = await only(await look(bot, **other), "wecom.callback")
    assert (found.grade, "answers 403" in found.evidence) == ("error", True)
    assert found.mend.startswith("start the service anew")


async def test_a_callback_url_that_leads_elsewhere_is_named(make_bot, fake):
    bot = await make_bot(fake)
    async with stand_in() as elsewhere:
        scene = await look(bot, BOT_PUBLIC_URL=elsewhere)
        found = await only(scene, "wecom.callback")
    assert found.grade == "error"
    assert found.evidence.startswith(f"{elsewhere}/wecom/bot answers 200")
    assert found.mend.startswith(f"pass /wecom/bot on to {bot.url}")


async def test_a_callback_url_that_nobody_answers_is_named(make_bot, fake):
    bot = await make_bot(fake)
    scene = await look(bot, BOT_PUBLIC_URL=f"http://127.0.0.1:{free_port()}")
    found = await only(scene, "wecom.callback")
    assert (found.grade, "answers nothing" in found.evidence) == ("error", True)


@pytest.mark.parametrize(
    ("callbacks", "mend"),
    [
        ({"refused signature": 7}, "copy Token and EncodingAESKey anew"),
        ({"refused padding": 7, "message": 1}, "copy Token and EncodingAESKey anew"),
        ({"refused stale": 9, "message": 2}, "put this machine's clock right"),
        ({"refused bot id": 3}, "correct WECOM_BOT_ID"),
    ],
)
async def test_refused_callbacks_tell_a_wrong_key_from_a_wrong_clock(tmp_path, callbacks, mend):
    found = await only(scene_in(tmp_path, told=told(**callbacks)), "wecom.refused")
    assert (found.grade, found.mend.startswith(mend)) == ("error", True)


@pytest.mark.parametrize(
    ("callbacks", "mend"),
    [
        (
            {"refused signature": 7},
            "copy Token and EncodingAESKey anew from the application's page",
        ),
        ({"refused agent id": 2, "refused corp id": 1, "event": 2}, "correct WECOM_CORP_ID"),
    ],
)
async def test_refused_callbacks_of_the_application_are_told_as_such(tmp_path, callbacks, mend):
    facts = live(platforms={"wecom.app": {"on": True, "callbacks": callbacks}})
    found = await only(scene_in(tmp_path, told=facts), "wecom.refused")
    assert (found.grade, found.mend.startswith(mend)) == ("error", True)
    assert found.evidence.startswith("application: ")


async def test_a_stranger_who_knocks_now_and_then_is_no_fault(tmp_path):
    callbacks = {"refused signature": 3, "refused query": 900, "message": 5}
    found = await only(scene_in(tmp_path, told=told(**callbacks)), "wecom.refused")
    assert found.grade == "fine"


async def test_a_bot_that_nobody_ever_wrote_to_is_told(tmp_path, store):
    scene = scene_in(tmp_path)
    found = await only(scene, "wecom.contact")
    assert (found.grade, found.evidence) == ("warning", "direct never, group never")
    await accept(store, at=NOW - DAY)
    found = await only(scene, "wecom.contact")
    assert (found.grade, found.evidence) == ("fine", "direct 24 h ago, group never")


async def test_that_nobody_is_admitted_is_named(tmp_path):
    scene = scene_in(tmp_path, BOT_ADMINS="", BOT_MEMBERS="")
    found = await only(scene, "wecom.people")
    assert (found.grade, found.evidence) == ("error", "nobody is admitted")


async def test_people_who_wrote_and_are_not_admitted_are_counted(tmp_path, store):
    await store.strangers.tell("wangwu", "wecom:direct:wangwu", NOW - DAY)
    found = await only(scene_in(tmp_path), "wecom.people")
    assert "1 wrote within a week who are not admitted" in found.evidence
    assert "wangwu" not in found.evidence


async def test_an_api_that_is_not_reached_is_named(tmp_path):
    url = f"http://127.0.0.1:{unused_port()}"
    found = await only(scene_in(tmp_path, WECOM_API_URL=url), "wecom.api")
    assert (found.grade, f"{url} is not reached" in found.evidence) == ("error", True)
    assert found.mend.startswith(f"let this machine reach {url}")


async def test_an_api_is_asked_as_late_answers_go_without_a_proxy(tmp_path, monkeypatch):
    url = f"http://127.0.0.2:{unused_port()}"
    async with stand_in() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy)
        found = await only(scene_in(tmp_path, WECOM_API_URL=url), "wecom.api")
    assert (found.grade, f"{url} is not reached" in found.evidence) == ("error", True)


async def test_answers_that_wait_are_counted_without_the_service(tmp_path, store):
    found = await only(scene_in(tmp_path), "wecom.ways_out")
    assert (found.grade, found.evidence) == ("fine", "0 answers wait for an address")


async def test_without_a_service_that_runs_nothing_is_said_of_its_callback(tmp_path):
    scene = scene_in(tmp_path, WECOM_API_URL=f"http://127.0.0.1:{unused_port()}")
    checks = {one.check for one in await seen_in(scene, "wecom")}
    assert checks == {"wecom.settings", "wecom.people", "wecom.api"}
    assert await seen(scene, "wecom.callback") == []
