"""Keys of model providers and passwords, planted where OpenCode tells them, and looked for everywhere."""

import asyncio
import io
import re
import tarfile

import aiohttp
import httpx
import orjson
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.doctor import command as doctor
from bot.opencode.model import ServerError
from bot.render import reasons
from bot.sandbox.model import provider_config
from bot.sandbox.script import http_error, say, tool
from config.settings import load_settings
from tests.opencode_fixtures import environ_for
from tests.service_fixtures import ADMIN_TOKEN
from tests.serving_fixtures import ready

PROVIDER_KEY = "sk-planted-in-the-configuration-5a1f"
INHERITED_KEY = "sk-planted-in-the-environment-77c0"
COMMANDS = ("/status", "/model", "/agent", "/whoami", "/why 1", "/sessions", "/result 1", "/doctor")
PAGES = (
    "/admin/",
    "/admin/health",
    "/admin/turns",
    "/admin/turns/1?text=1",
    "/admin/turns/2?text=1",
    "/admin/outbox",
    "/metrics",
    "/readyz",
    "/api/task/1",
    "/api/task/2",
)


@pytest.fixture
async def planted(folder, model):
    """A server that has a key in its configuration, one in its environment, and a password."""
    config = provider_config(model.url)
    config["provider"]["demo"]["options"]["apiKey"] = PROVIDER_KEY
    environ = environ_for(folder, 1, ANTHROPIC_API_KEY=INHERITED_KEY)
    environ["OPENCODE_CONFIG_CONTENT"] = orjson.dumps(config).decode()
    async with ready(folder, environ) as server:
        yield server


@pytest.fixture
async def bot_of(planted, make_bot):
    address = planted.address
    bot = await make_bot(
        OPENCODE_URL=address.url,
        OPENCODE_SERVER_USERNAME=address.username,
        OPENCODE_SERVER_PASSWORD=address.password,
    )
    await bot.ready()
    return bot


async def told_by_the_server(address):
    """Return what OpenCode tells whoever has its password."""
    login = (address.username, address.password)
    async with httpx.AsyncClient(auth=login, trust_env=False) as http:
        return (await http.get(f"{address.url}/config/providers")).text


async def shown(bot):
    """Return all that the service shows to anybody: chats, pages for programs and for browsers."""
    texts = [item.content for item in bot.wecom.book.items if item.kind != "said"]
    links = bot.service.services.links
    viewer = [f"/t/{n}/{links.token(n)}/{page}" for n in (1, 2) for page in ("", "live")]
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        for path in (*PAGES, *viewer):
            for accept in ("application/json", "text/html"):
                async with session.get(bot.url + path, headers={"Accept": accept}) as answer:
                    texts.append(f"{answer.status} {path} {await answer.text()}")
    return texts


@pytest.mark.opencode
async def test_no_key_and_no_password_is_ever_shown(bot_of, planted, model, tmp_path, capsys):
    password = planted.address.password
    model.script("look", tool("bash", {"command": "env", "description": "look"}), say("Looked."))
    model.script("fail", http_error(401, message=f"Incorrect API key provided: {PROVIDER_KEY}"))
    assert PROVIDER_KEY in await told_by_the_server(planted.address)
    for text in ("look around", "fail please"):
        await (await bot_of.wecom.say("boss", text)).done()
    for text in COMMANDS:
        await (await bot_of.wecom.say("boss", text)).done()

    texts = await shown(bot_of)
    texts += await asyncio.to_thread(doctors_words, bot_of, tmp_path, capsys)
    texts.append("".join(capsys.readouterr()))
    for told in ("Looked.", '"in_force"', "prompt.accepted"):
        assert any(told in text for text in texts), told
    for secret in (PROVIDER_KEY, INHERITED_KEY, password, ADMIN_TOKEN):
        assert [text for text in texts if secret in text] == []
        assert secret not in str(model.asked("look")[-1].messages)  # what `env` told the agent


# What a managed server has in its environment, and what it hands on: docs/explanation/trust.md.
HANDED_ON = (
    r"PATH|LANG|LANGUAGE|LC_\w+|TZ|TERM|TMPDIR|USER|LOGNAME|HOME|SHELL|OPENCODE_WECOM_MARK"
    r"|NODE_EXTRA_CA_CERTS|SSL_CERT_(FILE|DIR)|(?i:https?|no|all)_(?i:proxy)"
)
OF_THE_SERVER = (
    HANDED_ON + r"|\w+_API_(KEY|TOKEN|BASE|HOST)|\w+_BASE_URL|XDG_(CONFIG|DATA|CACHE|STATE)_HOME"
    r"|OPENCODE_(CONFIG_CONTENT|MODELS_PATH|DISABLE_[A-Z_]+|SERVER_USERNAME|SERVER_PASSWORD)"
)
OF_A_SHELL = HANDED_ON + "|AGENT|OPENCODE|PWD|OLDPWD|SHLVL|_"


@pytest.mark.opencode
async def test_a_command_of_an_agent_knows_no_more_than_the_page_on_trust_says(bot, opencode):
    look = tool("bash", {"command": "env", "description": "look"})
    opencode.model.script("look", look, say("Looked."))
    await (await bot.wecom.say("boss", "look around")).done()
    asked = opencode.model.asked("look")[-1].messages
    [told] = [one["content"] for one in asked if one["role"] == "tool"]
    shown = dict(line.split("=", 1) for line in told.splitlines() if "=" in line)
    held = psutil.Process(opencode.pid).environ()
    assert held["OPENCODE_SERVER_PASSWORD"] == opencode.password
    assert [name for name in held if not re.fullmatch(OF_THE_SERVER, name)] == []
    assert shown["HOME"] == held["HOME"]
    assert [name for name in shown if not re.fullmatch(OF_A_SHELL, name)] == []


def doctors_words(bot, tmp_path, capsys):
    """Return what was logged so far, what the doctor prints, and every file of its bundle."""
    settings, bundle = load_settings(None, bot.environ), tmp_path / "bundle.tar.gz"
    doctor.run(settings, None, bot.environ, as_json=True, deep=False, bundle=bundle)
    found = ["".join(capsys.readouterr())]
    with tarfile.open(fileobj=io.BytesIO(bundle.read_bytes())) as archive:
        members = [archive.extractfile(member) for member in archive if member.isfile()]
        return found + [member.read().decode(errors="replace") for member in members]


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("Incorrect API key provided: sk-proj-abcDEF1234567890", "Incorrect API key provided: ***"),
        ("invalid x-api-key 'k9f8e7d6c5b4'", "invalid x-api-key '***'"),
        ("token=eyJhbGciOi.eyJzdWIiOi.sig1", "token=***"),
        ("No access for 0123456789abcdef0123456789abcdef", "No access for ***"),
        ("AKIAIOSFODNN7EXAMPLE was refused", "*** was refused"),
        ("API key authentication failed", "API key authentication failed"),
        ("maximum context length is 128000 tokens, 130512 given", None),
        ("This model's token limit is 8192", None),
        ("model gpt-4o-mini-2024-07-18 not found (request req_01H8XGJWBWBAQ4)", None),
        ("模型的密钥不对", None),
    ],
)
def test_what_a_provider_says_is_kept_without_the_key_in_it(said, kept):
    error = ServerError(name="APIError", message=said)
    assert reasons.kept(error) == (said if kept is None else kept)


@given(st.text(max_size=300))
def test_keeping_what_a_provider_says_takes_no_time_and_adds_nothing_but_stars(said):
    kept = reasons.kept(ServerError(name="APIError", message=said))
    assert reasons.kept(ServerError(name="APIError", message=kept)) == kept


@pytest.mark.timeout(20)
@pytest.mark.parametrize("hostile", ["a-", "key:", "key: ", "sk-", "sk-aaaaaaa ", "token is "])
def test_a_long_error_is_kept_in_time_that_grows_with_its_length(hostile):
    said = hostile * 200_000  # a second look at the rest from each place would take minutes
    assert len(reasons.kept(ServerError(name="APIError", message=said))) <= len(said)
