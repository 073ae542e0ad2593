"""The wizard for the long connection and the application: asked for, tried with WeCom, heard of."""

import pytest
from aiohttp.test_utils import unused_port

from bot.setup.draft import Draft
from bot.setup.listening import Heard, opened_door, wait_verified
from bot.setup.live import find_live
from bot.setup.seen import PROVED, Seen
from bot.setup.steps.channels import ALONE, CALLBACK, CONNECTION, way_of
from bot.setup.steps.wecom import APP
from bot.setup.terminal import Terminal
from bot.setup.wizard import Wizard
from config.settings import load_settings
from tests.service_fixtures import environment, free_port
from tests.setup.person import CTRL_C
from tests.wecom_fixtures import AES_KEY, BOT_ID, TOKEN

SECRET, CORP, AGENT = "a-secret-of-tests", "wwSANDBOX", 1000002


@pytest.fixture
async def standin(make_standin):
    return await make_standin(channel="connection", secret=SECRET)


@pytest.fixture
async def corp(make_standin, port):
    url = f"http://127.0.0.1:{port}/wecom/app"
    return await make_standin(url, channel="app", secret=SECRET, corp_id=CORP, agent_id=AGENT)


def of_connection(tmp_path, standin, **given):
    """Return the settings of a bot with a long connection."""
    environ = environment(tmp_path, standin, port=free_port())
    return load_settings(None, environ | {"WECOM_BOT_SECRET": SECRET} | given)


async def by_a_server(person, fake):
    await person.accepts("How shall the service run?")
    await person.chooses("How shall OpenCode run?", "A server that runs", downs=2)
    await person.answers("Its URL:", fake.url)
    await person.accepts("Its user name:")
    await person.answers("Its password:", fake.password)


async def to_the_end(person):
    await person.accepts("Administrators", "Maintainers", "Members")
    await person.accepts("Where shall agents work?", "Folder that holds them:")
    await person.accepts("Model (empty", "Agent (empty", "Is this right?")
    await person.says("Install systemd units?", yes=False)
    return await person.leaves()


# Driven through a terminal


async def test_by_the_long_connection_no_address_is_needed_and_a_wrong_secret_is_asked_again(
    sit_down, fake, written, programs, standin, port
):
    person = sit_down(
        *("--no-doctor", "--set", f"wecom.ws_url={standin.gateway_url}"), PATH=programs
    )
    await by_a_server(person, fake)
    await person.chooses("How shall messages come in?", "no public address", downs=0)
    await person.accepts("A self-built application", "Address to listen on:")
    await person.answers("Port to listen on:", str(port))
    await person.accepts("Public URL, as browsers reach it, for links")
    await person.answers("The bot's id (Bot ID):", BOT_ID)
    await person.answers("Secret of the long connection:", "another-secret")
    await person.answers("The bot's name", "Open Code")
    await person.sees("is cut off by that")
    await person.accepts("Connect to WeCom now?", "And then for a first message")
    await person.sees("The long connection is not up: refused, errcode 853000; copy the bot's id")
    person.types(CTRL_C)
    await person.chooses("What now?", "Give other credentials", downs=1)
    await person.accepts("The bot's id (Bot ID):")
    await person.answers("Secret of the long connection:", SECRET)
    await person.accepts("The bot's name")
    await person.sees("Now write to the bot")
    talk = await standin.say("boss", "你好")
    await person.sees("Now one in a group")
    await standin.say("boss", "hello", group="wrTEAM")
    await person.sees("The first message came from boss.")
    await person.accepts("Make boss, who has just written, an administrator?")
    assert await to_the_end(person) == 0
    assert "boss" in talk.text
    assert "another-secret" not in person.seen
    assert SECRET not in person.seen
    settings = written.settings()
    assert settings.wecom.bot.connects
    assert settings.server.public_url is None
    assert settings.access.admins == ("boss",)
    heard = "# Heard by setup on "
    assert written.file.read_text().startswith(heard)
    assert ": the long connection, a direct message, a group message\n" in written.file.read_text()
    assert SECRET not in written.file.read_text()


async def test_an_application_alone_proves_its_callback_and_its_secret(
    sit_down, fake, written, programs, corp, port
):
    person = sit_down(*("--no-doctor", "--set", f"wecom.api_url={corp.base_url}"), PATH=programs)
    await by_a_server(person, fake)
    await person.chooses("How shall messages come in?", "application (自建应用) alone", downs=2)
    await person.accepts("Address to listen on:")
    await person.answers("Port to listen on:", str(port))
    await person.answers("Public URL, as WeCom", f"http://127.0.0.1:{port}")
    await person.says("all the same?", yes=True)
    await person.sees(f"The callback URL of the application is http://127.0.0.1:{port}/wecom/app")
    await person.answers("The corp's id", CORP)
    await person.answers("The application's AgentId:", "many")
    await person.sees("That is no whole number")
    person.types("\x15" + str(AGENT) + "\r")
    await person.answers("The application's Secret:", SECRET)
    await person.chooses("Token and EncodingAESKey of the application:", "Type those", downs=1)
    await person.answers("Token:", TOKEN)
    await person.answers("EncodingAESKey (43 characters):", AES_KEY)
    corp.corp.api.faults.tokens.append(60020)
    await person.accepts("Wait here for WeCom's request?")
    await person.accepts("And then for a first message")
    await person.sees("no token (errcode 60020): add this machine's public address")
    await person.chooses("What now?", "Wait again", downs=0)
    await person.sees("Waiting for WeCom's request")
    assert await corp.verify_url()
    await person.sees("Now write to the bot")
    talk = await corp.say("boss", "你好")
    await person.sees("The first message came from boss.")
    await person.accepts("Make boss, who has just written, an administrator?")
    assert await to_the_end(person) == 0
    assert "boss" in talk.text
    settings = written.settings()
    assert settings.wecom.app.on
    assert not settings.wecom.bot.on
    assert settings.wecom.app.agent_id == AGENT
    for secret in (SECRET, TOKEN, AES_KEY):
        assert secret not in person.seen
        assert secret not in written.file.read_text()


# The door itself


async def test_a_connection_that_is_up_is_a_proof_and_what_comes_by_it_is_answered(
    tmp_path, standin
):
    heard, said = Heard(), []
    async with opened_door(of_connection(tmp_path, standin), heard) as door:
        await wait_verified(door, Seen(), heard, said.append, 30)
        assert said == [f"  {PROVED['wecom.connection']}"]
        talk = await standin.say("zhangsan", "你好")
        await standin.book.until(lambda: talk.finished, 10)
    assert heard.words == "the long connection, a direct message"
    assert "zhangsan" in talk.text
    assert standin.violations == []


async def test_a_connection_that_comes_to_nothing_is_told_with_its_reason(tmp_path, standin):
    away = {"WECOM_WS_URL": f"ws://127.0.0.1:{unused_port()}"}
    heard, said = Heard(), []
    async with opened_door(of_connection(tmp_path, standin, **away), heard) as door:
        with pytest.raises(TimeoutError):
            await wait_verified(door, Seen(), heard, said.append, 1.0)
    assert [one.split(":")[0].strip() for one in said] == ["The long connection is not up"]
    assert not heard.verified


async def test_a_service_that_holds_the_connection_is_a_proof_and_is_not_cut_off(make_bot, standin):
    connection = {"WECOM_BOT_TOKEN": "", "WECOM_BOT_AES_KEY": "", "WECOM_BOT_SECRET": SECRET}
    bot = await make_bot(**connection, WECOM_WS_URL=standin.gateway_url)
    await standin.gateway.until_connected(10)
    live = await find_live(load_settings(None, bot.environ))
    heard, said = Heard(), []
    await wait_verified(live, live.before, heard, said.append, 10)
    assert heard.proved == {"wecom.connection"}
    assert len(said) == 1
    assert standin.gateway.subscribed == 1


def test_what_a_stopped_connection_and_foreign_facts_tell():
    seen = Seen.of(
        {
            "wecom.connection": {"on": True, "state": "kicked", "cause": "another connection"},
            "wecom.bot": {"on": False},
            "wecom.webhook": {"on": True, "sent": 3},
            "other": 7,
        }
    )
    assert seen == Seen(
        {"wecom.connection": 0}, {}, {"wecom.connection": "kicked, another connection"}
    )
    assert Seen.of(None) == Seen()


# What is chosen


@pytest.mark.parametrize(
    ("given", "way"),
    [
        ({}, CONNECTION),
        ({"wecom.bot.token": TOKEN}, CALLBACK),
        ({"wecom.bot.token": TOKEN, "wecom.app.secret": SECRET}, CALLBACK),
        ({"wecom.bot.secret": SECRET, "wecom.app.secret": SECRET}, CONNECTION),
        ({"wecom.app.secret": SECRET}, ALONE),
    ],
)
def test_what_is_configured_is_proposed(tmp_path, given, way):
    draft = Draft.open(tmp_path / "bot.toml")
    for key, value in given.items():
        draft.put(key, value)
    wizard = Wizard(Terminal(), draft, {}, 1.0)
    assert way_of(wizard) == way
    wizard.draft.put(f"{APP}.token", TOKEN)
    assert wizard.seal(APP) == (TOKEN, "")
