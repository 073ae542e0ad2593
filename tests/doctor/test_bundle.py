"""The archive for a bug report holds what helps, and nothing that is nobody's business."""

import stat
import tarfile

import orjson
import pytest

from bot.doctor import bundle
from bot.doctor.examine import examine
from bot.doctor.inforce import table
from bot.doctor.inforce.looking import look_in_force
from store.database import Statement
from store.records import NewChat
from tests.doctor.scenes import NOW, live, programs, scene_in
from tests.store.samples import a_delivery, a_turn, an_ask, an_inbound

SECRETS = {
    "WECOM_BOT_TOKEN": "plantedToken4711",
    "WECOM_BOT_AES_KEY": "plantedAesKey" + "A" * 30,
    "BOT_ADMIN_TOKEN": "planted-admin-token",
    "OPENCODE_SERVER_PASSWORD": "planted-password",
    "ANTHROPIC_API_KEY": "sk-planted-key",
}
SAID = (
    *("planted prompt", "planted quote", "planted answer", "planted footer", "planted title"),
    *("planted command", "planted reply", "planted bubble", "planted-url", "planted reason"),
)
PEOPLE = ("li.planted", "zhang_planted", "group-planted-1", "boss-planted", "stranger-planted")


@pytest.fixture
async def planted(store, tmp_path):
    """A database with a message, an answer and a person wherever one can stand."""
    chat = NewChat("wecom:direct:li.planted", "wecom", "direct", "li.planted", "", "zh", NOW)
    group = NewChat(
        "wecom:group:group-planted-1",
        "wecom",
        "group",
        "group-planted-1",
        "zhang_planted",
        "zh",
        NOW,
    )
    inbound = an_inbound(
        chat=chat.key,
        sender="li.planted",
        body="planted command",
        shown="planted bubble",
        reply_url="https://planted-url",
        at=NOW,
    )
    turn = a_turn(chat=chat.key, text="planted prompt", quote="planted quote", sender="li.planted")
    await store.inbox.accept(inbound, chat, turn)
    other = an_inbound("m2", chat=group.key, sender="zhang_planted", at=NOW)
    await store.inbox.accept(other, group, None)
    await store.deliveries.add(a_delivery(chat=chat.key, body="planted answer"))
    await store.asks.add(an_ask(chat=chat.key, body='{"planted": "planted reply"}'))
    await store.strangers.tell("stranger-planted", chat.key, NOW)
    await store.sessions.put(chat.key, 0, "ses_1", "planted title", str(tmp_path), NOW)
    await store.database.write(
        Statement("UPDATE turns SET answer = 'planted answer', reason = 'planted reason'"),
        Statement("UPDATE deliveries SET footer = 'planted footer'"),
    )


TRACE = 'Traceback:\n  File "bot/x.py", line 3, in run\nValueError: planted prompt'
LOG = (
    orjson.dumps({"event": "message.accepted", "chat": "wecom:direct:li.planted", "chars": 3}),
    orjson.dumps({"event": "turn.failed", "exception": TRACE}),
    b"planted prompt, as no entry of ours",
    b'{"no": "planted prompt"}',
)


@pytest.fixture
async def archive(planted, tmp_path):
    told = live(
        turns={"now": [{"turn": 1, "chat": "wecom:direct:li.planted", "session": "ses_1"}]},
        watchdogs={"lanes": {"ok": False, "since": NOW, "woken": ["wecom:group:group-planted-1"]}},
        warnings=["as planted-password is"],
    )
    path = programs(tmp_path / "bin", journalctl=b"\n".join(LOG).decode())
    scene = scene_in(
        tmp_path,
        told=told,
        OPENCODE_URL="http://127.0.0.1:1",
        BOT_ADMINS="boss-planted",
        WECOM_BOT_ID="planted-bot",
        HOME=str(tmp_path),
        PATH=path,
        **SECRETS,
    )
    file = tmp_path / "report.tar.gz"
    in_force = table.as_json(await look_in_force(scene))
    await bundle.write(file, scene, await examine(scene), in_force)
    return file


def members(file):
    with tarfile.open(file) as tar:
        return {one.name.partition("/")[2]: tar.extractfile(one).read() for one in tar}


def test_no_secret_no_message_and_nobody_is_in_it(archive):
    found = members(archive)
    for planted in (*SECRETS.values(), *SAID, *PEOPLE, "li-planted", "planted-bot", "planted"):
        holders = [name for name, content in found.items() if planted.encode() in content]
        assert holders == [], planted


def test_what_helps_is_in_it(archive):
    found = members(archive)
    assert found.keys() == {
        *("README.txt", "report.txt", "report.json", "versions.json", "settings.json"),
        *("environment.json", "health.json", "database.json", "log.jsonl", "in-force.json"),
    }
    settings = orjson.loads(found["settings.json"])
    assert settings["opencode.password"] == settings["wecom.bot.bot_id"] == "set"
    assert (settings["server.port"], settings["opencode.agent"]) == (8080, None)
    assert "ANTHROPIC_API_KEY" not in found["environment.json"].decode()
    assert "OPENCODE_SERVER_PASSWORD" in orjson.loads(found["environment.json"])["names"]
    database = orjson.loads(found["database.json"])
    assert (database["rows"]["turns"], database["turns"]) == (1, {"queued": 1})
    assert "CREATE TABLE turns" in database["tables"]["turns"]
    assert "aiohttp" in orjson.loads(found["versions.json"])["packages"]
    assert found["report.txt"].startswith(b"Settings\n")


def test_a_person_is_the_same_word_everywhere_in_it_and_another_one_in_the_next(archive):
    found = members(archive)
    logged = [orjson.loads(line) for line in found["log.jsonl"].splitlines()]
    (running,) = orjson.loads(found["health.json"])["turns"]["now"]
    assert logged[0]["chat"] == running["chat"]
    assert logged[0]["chat"].startswith("wecom:direct:id-")


def test_of_the_log_only_our_own_entries_are_taken_and_of_exceptions_no_words(archive):
    logged = [orjson.loads(line) for line in members(archive)["log.jsonl"].splitlines()]
    assert [one["event"] for one in logged] == ["message.accepted", "turn.failed"]
    assert logged[1]["exception"] == ['File "bot/x.py", line 3, in run', "ValueError"]


def test_a_home_is_not_called_by_its_name(archive, tmp_path):
    found = members(archive)
    assert orjson.loads(found["in-force.json"])["directory"] == "~/data/workspaces"
    assert [name for name, content in found.items() if str(tmp_path).encode() in content] == []


def test_one_that_cannot_be_written_is_not_left_behind(tmp_path):
    file = tmp_path / "report.tar.gz"
    with pytest.raises(TypeError):
        bundle._pack(file, {"whole": b"content", "broken": "no bytes"}, 1)
    assert not file.exists()


async def test_it_is_for_its_owner_alone_and_nothing_is_written_over(archive, tmp_path):
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600
    scene = scene_in(tmp_path / "other", PATH=str(tmp_path))
    with pytest.raises(FileExistsError):
        await bundle.write(archive, scene, await examine(scene, groups=[]), {})
    await bundle.write(tmp_path / "second.tar.gz", scene, await examine(scene, groups=[]), {})
    assert members(tmp_path / "second.tar.gz")["log.jsonl"] == b""
