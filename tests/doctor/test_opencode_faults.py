"""What can be wrong with the OpenCode server itself: each named with its evidence and its mend."""

import os
from datetime import UTC, datetime, timedelta

import pytest

from bot.clock import now_ms
from bot.doctor.checks import opencode, opencode_machine
from bot.doctor.inforce import log as logs
from bot.doctor.inforce.process import Seen, environ_of, listening
from store import open_store
from store.database import Statement
from tests.doctor.opencode_scenes import SECRET, look, only, scene_in, scripted, write

TABLE = (
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"
    "   0: {}:10E1 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0 0 1\n"
    "   1: 0100007F:10E1 0100007F:9999 01 00000000:00000000 00:00000000 00000000  0 0 2\n"
)
PORT = 0x10E1
OFF_MACHINE = [
    *(opencode.version, opencode.latency, opencode.auth, opencode.events),
    *(opencode.lists, opencode.sessions, opencode.models),
]


async def test_a_server_that_is_down_is_one_error_and_not_ten(tmp_path):
    async with scripted(tmp_path) as fake:
        url = fake.url
    scene = scene_in(tmp_path, deep=True)
    finding = await only(opencode.reached, scene)
    assert finding.grade == "error"
    assert finding.evidence == f"{url} does not answer; the service is down, so it is, too"
    assert finding.mend.startswith("systemctl restart opencode-wecom; what it printed: ")
    assert [one for check in OFF_MACHINE for one in await look(check, scene)] == []


async def test_one_that_never_ran_is_to_be_started(tmp_path):
    finding = await only(opencode.reached, scene_in(tmp_path))
    assert (finding.grade, finding.mend) == ("warning", "start the service: python -m bot run")


async def test_a_server_of_others_that_is_down_has_a_unit_of_its_own(tmp_path):
    scene = scene_in(tmp_path, OPENCODE_URL="http://127.0.0.1:1")
    assert (await only(opencode.reached, scene)).mend.startswith("systemctl restart opencode;")


async def test_a_wrong_password_is_told_from_a_server_that_is_away(tmp_path):
    async with scripted(tmp_path) as fake:
        environ = {"OPENCODE_URL": fake.url, "OPENCODE_SERVER_PASSWORD": SECRET}
        finding = await only(opencode.reached, scene_in(tmp_path, **environ))
    assert finding.grade == "error"
    assert finding.evidence.endswith("does not accept the user name and password")
    assert finding.mend.startswith("set opencode.username and opencode.password")
    assert SECRET not in repr(finding)


async def test_a_server_without_a_password_is_an_error(tmp_path):
    async with scripted(tmp_path) as fake:
        scene = scene_in(tmp_path)
        assert (await only(opencode.auth, scene)).grade == "fine"
        fake.password = ""
        finding = await only(opencode.auth, scene)
    assert finding.grade == "error"
    assert "it has no password, and runs commands" in finding.evidence
    assert "OPENCODE_SERVER_PASSWORD" in finding.mend


@pytest.mark.parametrize(
    ("raw", "address", "grade"),
    [
        ("00000000", "0.0.0.0", "error"),
        ("0" * 32, "::", "error"),
        ("0A01A8C0", "192.168.1.10", "error"),
        ("0100007F", "127.0.0.1", "fine"),
        ("0" * 24 + "01000000", "::1", "fine"),
        ("0" * 16 + "FFFF00000100007F", "127.0.0.1", "fine"),
    ],
)
def test_a_port_that_others_reach_is_an_error(raw, address, grade):
    tables = {"tcp": TABLE.format(raw)}
    assert listening(PORT, tables) == {address}
    [finding] = opencode_machine.bound_findings(opencode.bound, PORT, tables)
    assert finding.grade == grade
    assert address in finding.evidence
    assert ("--hostname 127.0.0.1" in finding.mend) == (grade == "error")


async def test_the_port_of_a_real_listener_is_seen(tmp_path):
    async with scripted(tmp_path):
        finding = await only(opencode.bound, scene_in(tmp_path))
    assert finding.grade == "fine"
    assert finding.evidence.endswith("is open on 127.0.0.1 alone")


@pytest.mark.parametrize(
    ("url", "grade"),
    [("http://code.example.com:4096", "warning"), ("https://code.example.com", "fine")],
)
async def test_a_password_that_travels_in_the_open_is_named(tmp_path, url, grade):
    finding = await only(opencode.bound, scene_in(tmp_path, OPENCODE_URL=url))
    assert finding.grade == grade


async def test_a_version_outside_the_proved_range_is_named(tmp_path):
    async with scripted(tmp_path) as fake:
        fake.version = "9.9.9"
        finding = await only(opencode.version, scene_in(tmp_path))
    assert finding.grade == "warning"
    assert "OpenCode 9.9.9 is outside the range" in finding.evidence
    assert finding.mend == "python -m bot opencode upgrade"


async def test_an_event_stream_that_is_refused_or_mute_is_named(tmp_path):
    async with scripted(tmp_path) as fake:
        fake.refusing_events = 503
        finding = await only(opencode.events, scene_in(tmp_path))
    assert finding.grade == "error"
    assert finding.evidence.startswith("/global/event does not greet")


async def test_a_deep_look_waits_for_a_heartbeat(tmp_path):
    async with scripted(tmp_path, beat_s=0.05):
        finding = await only(opencode.events, scene_in(tmp_path, deep=True))
    assert finding.evidence == "/global/event yields server.connected, server.heartbeat"


async def test_lists_that_cannot_be_read_are_an_error_without_the_servers_words(tmp_path):
    async with scripted(tmp_path) as fake:
        fake.failure = f"--- JSONC Input --- {SECRET}"
        fake.fault("/permission", "error")
        finding = await only(opencode.lists, scene_in(tmp_path))
    assert finding.evidence == "/permission or /question cannot be read: 500 UnknownError"


async def test_a_session_that_cannot_be_opened_is_named_by_the_step(tmp_path):
    async with scripted(tmp_path) as fake:
        scene = scene_in(tmp_path, deep=True)
        assert (await only(opencode.sessions, scene)).grade == "fine"
        assert fake.sessions == {}
        fake.fault("/session", "error")
        finding = await only(opencode.sessions, scene)
    assert finding.grade == "error"
    assert finding.evidence == "opening a session fails: 500 UnknownError"


@pytest.mark.parametrize(
    ("provider", "grade", "said", "mend"),
    [
        (
            {"id": "mine", "options": {"apiKey": ""}, "models": {"m": {}}},
            "error",
            "the key of provider mine is empty",
            "set the variable in the server's environment",
        ),
        (
            {"id": "odd", "models": {"m": {"api": {"npm": "odd-sdk"}}}},
            "warning",
            "provider odd needs odd-sdk, which OpenCode fetches at the first prompt",
            'use "npm": "@ai-sdk/openai-compatible"',
        ),
        ({"id": "bare", "models": {}}, "error", "no provider has a model", "log in to one"),
        (
            {"id": "mine", "key": SECRET, "models": {"m": {"api": {"npm": "@ai-sdk/openai"}}}},
            "fine",
            "mine (1 models, key set); whether a key is accepted shows only a turn",
            "",
        ),
    ],
)
async def test_a_provider_that_cannot_work_is_named(tmp_path, provider, grade, said, mend):
    async with scripted(tmp_path) as fake:
        fake.providers = {"providers": [provider], "default": {}}
        finding = await only(opencode.models, scene_in(tmp_path))
    assert finding.grade == grade
    assert finding.evidence.startswith(said)
    assert finding.mend.startswith(mend)
    assert SECRET not in repr(finding)


async def test_a_key_that_a_provider_refused_shows_in_the_last_turn(tmp_path):
    scene = scene_in(tmp_path)
    turn = """
        INSERT INTO turns (n, chat, epoch, message, sender, kind, text, language, state, model, created_at)
        VALUES ($1, 'c', 1, $2, 's', 'prompt', '', 'en', 'failed', $3, 1)
    """
    edge = "INSERT INTO edges (turn, edge, fence, facts, at) VALUES ($1, 'answered', 1, $2, $3)"
    refused, fine = '{"error": "APIError", "reason": "auth"}', '{"error": "", "reason": ""}'
    async with await open_store(scene.settings.store.url) as store:
        for n, model, facts in (
            (1, "mended/m", refused),
            (2, "mended/m", fine),
            (3, "bad/m", refused),
        ):
            await store.database.write(
                Statement(turn, n, f"m{n}", model), Statement(edge, n, facts, now_ms())
            )
    finding = await only(opencode_machine.answers, scene)
    assert finding.grade == "error"
    assert finding.evidence.startswith("turn 3 with bad/m at ")
    assert finding.evidence.endswith("the provider refused the key")
    assert finding.mend.startswith("opencode auth login (bad)")


def stamp(minutes):
    return (datetime.now(UTC) - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S.000Z")


async def test_a_log_full_of_errors_is_counted_by_kind_without_its_words(tmp_path):
    line = 'timestamp={} level=ERROR run=1 message="{}" error="APICallError: {}"\n'
    lines = [line.format(stamp(minutes), "stream error", SECRET) for minutes in range(25)]
    older = (
        f"ERROR {stamp(500)[:-5]} +2ms service=llm providerAuthError ProviderAuthError {SECRET}\n"
    )
    file = tmp_path / "data/opencode/data/opencode/log/opencode.log"
    write(file, older + "".join(reversed(lines)))
    finding = await only(opencode_machine.log, scene_in(tmp_path))
    assert finding.grade == "warning"
    assert finding.evidence.startswith("25 errors within an hour, the last at ")
    assert finding.evidence.endswith(": APICallError ×25")
    assert finding.mend == f"less +G {file}"
    assert SECRET not in repr(finding)
    assert str(logs.read(file.parent).errors[0]) == "llm ProviderAuthError"


async def test_a_log_with_few_errors_is_no_reason_to_worry(tmp_path):
    line = f'timestamp={stamp(5)} level=ERROR run=1 message="failed to load plugin" path=file:///x.js\n'
    write(tmp_path / "data/opencode/data/opencode/log/opencode.log", line)
    finding = await only(opencode_machine.log, scene_in(tmp_path))
    assert finding.grade == "fine"
    assert finding.evidence.endswith(": failed to load plugin")


@pytest.mark.parametrize(
    ("rss", "limit", "much"),
    [(900, 1000, True), (500, 1000, False), (4e9, None, True), (1e9, None, False)],
)
def test_memory_is_judged_by_the_limit_where_there_is_one(rss, limit, much):
    assert opencode_machine._is_much(rss, limit) is much


def test_of_an_environment_the_values_of_places_alone_are_kept():
    seen = environ_of(os.getpid())
    assert seen["PATH"] == os.environ["PATH"]
    others = {name: value for name, value in seen.items() if name not in {"PATH", "HOME"}}
    assert others
    assert {
        value for name, value in others.items() if not name.startswith(("XDG", "OPENCODE"))
    } == {""}
    assert repr(Seen(1, "me", "", None, None, None, None))


async def test_of_a_unit_the_names_in_its_environment_file_are_told_and_no_value(tmp_path):
    file = write(
        tmp_path / "opencode.env", f"# ours\nOPENCODE_SERVER_PASSWORD={SECRET}\nA_KEY='x'\n"
    )
    lines = ("LoadState=loaded", "User=opencode", "MemoryMax=4294967296")
    shown = "\n".join((*lines, f"EnvironmentFiles={file} (ignore_errors=no)"))
    tools = tmp_path / "tools"
    write(tools / "systemctl", f"#!/bin/sh\necho '{shown}'\n").chmod(0o755)
    said = await opencode_machine.said_of_unit("opencode.service", {"PATH": str(tools)})
    known = "unit opencode.service, User opencode, MemoryMax 4294967296"
    assert said == f"{known}; {file} sets A_KEY, OPENCODE_SERVER_PASSWORD"
    file.unlink()
    said = await opencode_machine.said_of_unit("opencode.service", {"PATH": str(tools)})
    assert said.endswith("sets what cannot be seen from here (No such file or directory)")


async def test_a_data_folder_is_told_with_its_sizes(tmp_path):
    data = tmp_path / "data/opencode/data/opencode"
    write(data / "opencode.db", "x" * 2000)
    write(data / "opencode.db-wal", "x" * 10)
    write(data / "snapshot/one/two", "x" * 3000)
    finding = await only(opencode_machine.data, scene_in(tmp_path))
    held = f"{data}: opencode.db 2.0 kB, opencode.db-wal 10 bytes, snapshot/ 3.0 kB; "
    assert finding.evidence.startswith(held)
    assert finding.evidence.endswith("B free on its disk")


def test_without_ripgrep_searches_fail(tmp_path):
    tools = tmp_path / "tools"
    for name in ("git", "opencode"):
        write(tools / name, "#!/bin/sh\n").chmod(0o755)
    scene = scene_in(tmp_path, PATH=str(tools))
    finding = opencode_machine._ripgrep(scene, tmp_path)
    assert finding.grade == "error"
    assert finding.mend.startswith("apt-get install ripgrep, then restart OpenCode")
    write(tools / "rg", "#!/bin/sh\n").chmod(0o755)
    assert opencode_machine._ripgrep(scene, tmp_path).grade == "fine"


async def test_what_answers_there_and_is_no_opencode_is_an_error(tmp_path):
    async with scripted(tmp_path) as fake:
        fake.fault("/global/health", "html")
        finding = await only(opencode.reached, scene_in(tmp_path))
    assert finding.grade == "error"
    assert finding.mend == "see that opencode.url is OpenCode's"
