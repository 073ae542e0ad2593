"""The wizard, driven through a pseudo-terminal: from nothing to a bot that answers."""

import json
import os
import re
import stat

import httpx
import pytest

from bot.clock import now_ms
from bot.sandbox.caller import Caller
from bot.sandbox.cipher import Cipher, Refused
from bot.sandbox.model import ScriptedModel, provider_config
from tests.opencode_fixtures import skip_without_opencode, until
from tests.setup.person import CLEAR, CTRL_C, ENTER, by_a_server, by_callback, to_wecom
from tests.wecom_fixtures import AES_KEY, BOT_ID, TOKEN

OTHER_KEY = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopA"
SHOWN = re.compile(r"Token {11}(\w{32})\r?\n.*EncodingAESKey {2}(\w{43})\r?\n", re.DOTALL)
HEARD = re.compile(r"^# Heard by setup on \d{4}-\d\d-\d\d: (.*)$", re.MULTILINE)
BEHIND = "\x1b[?1049l"  # the terminal's former screen


@pytest.fixture
async def home(place, tmp_path):
    """A home whose OpenCode knows a scripted model."""
    skip_without_opencode(tmp_path / "look")
    model = ScriptedModel()
    config = place / "home/.config/opencode"
    config.mkdir(parents=True)
    (config / "opencode.json").write_text(json.dumps(provider_config(await model.start())))
    yield
    await model.stop()


@pytest.mark.opencode
@pytest.mark.timeout(300)  # four processes, one behind the other
async def test_from_nothing_to_a_running_bot(home, sit_down, make_standin, written, port):
    standin = await make_standin(f"http://127.0.0.1:{port}/wecom/bot")
    person = sit_down("--set", f"wecom.api_url={standin.base_url}")
    await person.accepts("How shall the service run?")
    await person.sees("within the proved range")
    await person.accepts("How shall OpenCode run?")
    await by_callback(person)
    await person.accepts("Address to listen on:")
    await person.answers("Port to listen on:", str(port))
    await person.answers("Public URL, as WeCom", f"http://127.0.0.1:{port}")
    await person.says("Use http://127.0.0.1", yes=True)
    await person.chooses("Token and EncodingAESKey:", "Type those", downs=1)
    await person.answers("Token:", TOKEN)
    await person.answers("EncodingAESKey (43 characters):", AES_KEY)
    await person.answers("The bot's name", "Open Code")
    await person.answers("The bot's id", BOT_ID)
    await person.accepts("Wait here for WeCom's request?", "And then for a first message")
    await person.sees("The public URL leads here.")
    await person.sees("Waiting for WeCom's request for 10m")
    assert await standin.verify_url()
    await person.sees("WeCom's request has arrived and was answered.")
    greeting = await standin.say("boss", "你好")
    await person.sees("Now one in a group")
    await standin.say("boss", "hello", group="wrTEAM")
    await person.sees("The first message came from boss.")
    await person.accepts("Make boss, who has just written, an administrator?")
    await person.accepts("Administrators", "Maintainers", "Members")
    await person.accepts("Where shall agents work?", "Folder that holds them:")
    await person.sees("demo/second")
    await person.answers("Model (empty", "demo/second")
    await person.accepts("Agent (empty", "Is this right?")
    await person.says("Install systemd units?", yes=False)
    await person.sees("Doctor: what is not fine")
    await person.sees("Three commands to remember")
    assert await person.leaves() == 0
    assert "boss" in greeting.text
    assert TOKEN not in person.seen
    assert AES_KEY not in person.seen
    heard = HEARD.search(written.file.read_text())[1]
    assert heard == "WeCom's request, a direct message, a group message"
    assert written.all == ["bot.toml", "opencode-wecom.env"]
    for path in (written.file, written.secrets):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    service = sit_down(command="")  # as `make run` does: what is configured is the service
    await until_answers(port)
    talk = await standin.say("boss", "hello again, what is new?")
    await standin.book.until(lambda: talk.finished, 60)
    assert talk.text
    assert standin.violations == []
    service.types(CTRL_C)
    assert await service.leaves() == 0


async def until_answers(port):
    """Wait until the service says that all of it is there."""

    def ready():
        try:
            answer = httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False)
        except httpx.TransportError:
            return False
        return answer.json()["parts"]["opencode"] == "ok"

    await until(ready, 60)


async def test_a_wrong_answer_is_asked_again_with_the_reason_and_ctrl_c_leaves_nothing(
    sit_down, fake, written, programs
):
    person = sit_down("--no-doctor", PATH=programs)
    await person.accepts("How shall the service run?")
    await person.chooses("How shall OpenCode run?", "A server that runs", downs=2)
    await person.answers("Its URL:", "somewhere")
    await person.sees("That is no http:// or https:// URL.")
    person.types(CLEAR + fake.url + ENTER)
    await person.answers("Its user name:", "")
    await person.sees("This cannot be left out.")
    person.types("opencode" + ENTER)
    await person.answers("Its password:", "two words")
    await person.sees("has blanks or letters outside ASCII")
    person.types(CLEAR + "a-password-of-tests" + ENTER)
    await by_callback(person)
    await person.accepts("Address to listen on:")
    await person.answers("Port to listen on:", "many")
    await person.sees("That is no whole number. Wanted: a number from 0 to 65535.")
    person.types(CLEAR + "8080" + ENTER)
    await person.answers("Public URL, as WeCom", "http://192.168.1.5")
    await person.sees("192.168.1.5 is a private address")
    await person.says("all the same?", yes=False)
    await person.answers("Public URL, as WeCom", "http://127.0.0.1:8080")
    await person.says("all the same?", yes=True)
    await person.chooses("Token and EncodingAESKey:", "Type those", downs=1)
    await person.answers("Token:", TOKEN)
    await person.answers("EncodingAESKey (43 characters):", "short")
    await person.sees("has 5 characters instead of 43")
    person.types(CTRL_C)
    await person.sees("nothing more was changed")
    assert await person.leaves() == 1
    assert written.all == []
    assert "a-password-of-tests" not in person.seen


async def test_what_is_made_here_is_shown_once_and_proved_by_wecoms_request(
    sit_down, fake, written, programs, port
):
    person = sit_down("--no-doctor", PATH=programs)
    await to_wecom(person, fake, port)
    await person.accepts("Token and EncodingAESKey:", "The bot's name", "The bot's id")
    await person.accepts("Wait here for WeCom's request?", "And then for a first message")
    token, key = (await person.sees(SHOWN)).groups()
    await person.sees("Waiting for WeCom's request")
    url = f"http://127.0.0.1:{port}/wecom/bot"
    async with Caller(url, Cipher("another", key), now_ms) as stranger:
        with pytest.raises(Refused):
            await stranger.verify(limit_s=5)
    await person.sees("A request has come, but its signature does not fit")
    async with Caller(url, Cipher(token, OTHER_KEY), now_ms) as stranger:
        with pytest.raises(Refused):
            await stranger.verify(limit_s=5)
    await person.sees("the EncodingAESKey in WeCom's page differs from the one here")
    async with Caller(url, Cipher(token, key), now_ms) as wecom:
        await wecom.verify(limit_s=5)
    await person.sees("Now write to the bot")
    person.types(CTRL_C)
    await person.sees("WeCom's request has arrived and was answered.")
    await person.sees("Stopped waiting.")
    await person.accepts("Administrators", "Maintainers", "Members")
    await person.sees("access is empty")
    await person.says("Leave it so?", yes=False)
    await person.answers("Administrators", "zhangsan")
    await person.accepts("Maintainers")
    await person.answers("Members", "*")
    await person.accepts("Where shall agents work?", "Folder that holds them:")
    await person.answers("Model (empty", "fake/on")
    await person.sees("OpenCode has none of that name. Near: fake/one")
    person.types("e" + ENTER)
    await person.accepts("Agent (empty", "Is this right?")
    await person.says("Install systemd units?", yes=False)
    assert await person.leaves() == 0
    shown, _, behind = person.seen.rpartition(BEHIND)
    assert shown.count(token) == shown.count(key) == 1
    assert token not in behind
    assert key not in behind
    settings = written.settings()
    assert settings.wecom.bot.token.get_secret_value() == token
    assert settings.access.members == ("*",)
    assert settings.opencode.model == "fake/one"
    assert settings.opencode.password.get_secret_value() == fake.password


async def test_systemds_way_has_its_own_places_and_is_roots(sit_down, fake, programs, port):
    person = sit_down("--dry-run", PATH=programs)
    await person.chooses("How shall the service run?", "By systemd", downs=1)
    if os.geteuid() != 0:
        await person.sees("is root's: run this again with sudo")
        person.types(CTRL_C)
        assert await person.leaves() == 1
        return
    await by_a_server(person, fake, port)
    await person.accepts("Token and EncodingAESKey:", "The bot's name", "The bot's id")
    await person.says("Wait here for WeCom's request?", yes=False)
    await person.answers("Administrators", "boss")
    await person.accepts("Maintainers", "Members")
    await person.accepts("Where shall agents work?", "/var/lib/opencode-wecom/workspaces")
    await person.accepts("Model (empty", "Agent (empty")
    await person.sees('data_dir = "/var/lib/opencode-wecom"')
    await person.accepts("Is this right?")
    await person.sees("This was a dry run")
    assert await person.leaves() == 0
