"""Faults of the process and of the machine: each is named with its mend."""

import asyncio
import os
import resource
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace

import pytest

from bot.doctor.checks import GROUPS
from bot.doctor.scene import look_around
from bot.doctor.units import UNIT, service_unit
from bot.opencode.hold import Hold, owner_here, put_hold
from config.version import VERSION
from store.lock import Lock
from tests.doctor.scenes import (
    HOUR,
    MINUTE,
    NOW,
    live,
    only,
    programs,
    scene_in,
    seen,
    seen_in,
    stand_in,
    unit,
)
from tests.service_fixtures import free_port

HOLD_LOCK = """
import fcntl, resource, sys
if len(sys.argv) > 2:
    resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[2]), int(sys.argv[2])))
lock = open(sys.argv[1], "w")
fcntl.flock(lock, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held(scene, *limit):
    """Let another process have the database, as a service does."""
    lock = scene.data_dir / "bot.db.lock"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD_LOCK, str(lock), *map(str, limit)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    yield process.pid
    process.communicate("")


async def test_a_service_that_fares_well_is_left_alone(tmp_path):
    scene = scene_in(tmp_path, told=live(), PATH=programs(tmp_path / "bin", systemctl=unit()))
    found = await seen_in(scene, "runtime")
    assert [one for one in found if one.grade != "fine"] == []
    checks = next(group.checks for group in GROUPS if group.name == "runtime")
    assert {one.name for one in checks} - {one.check for one in found} == {"runtime.port"}


async def test_a_service_that_does_not_run_is_named_with_how_to_start_it(tmp_path):
    scene = scene_in(tmp_path, BOT_PORT=str(free_port()))
    scene = await look_around(scene.settings, None, scene.environ)
    found = await only(scene, "runtime.service")
    assert (found.grade, f"{scene.url} does not answer" in found.evidence) == ("error", True)
    assert found.mend == "python -m bot run", "there is no unit here"
    assert (await only(scene, "runtime.port")).grade == "fine"


async def test_a_service_that_holds_the_data_and_says_nothing_is_named_by_its_pid(tmp_path):
    scene = scene_in(tmp_path, BOT_PORT=str(free_port()))
    scene = await look_around(scene.settings, None, scene.environ)
    with held(scene) as pid:
        found = await only(scene, "runtime.service")
    assert found.evidence.startswith(f"process {pid} works on the database")


async def test_a_service_that_is_slow_to_answer_is_not_called_down(tmp_path):
    async def answers_never(reader, writer):
        await reader.read()
        writer.close()

    async with await asyncio.start_server(answers_never, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        scene = scene_in(tmp_path, BOT_PORT=str(port))
        scene = await look_around(scene.settings, None, scene.environ, limit_s=0.1)
        with held(scene) as pid:
            found = await only(scene, "runtime.service")
        nobody = await only(scene, "runtime.service")
    assert found.grade == "warning"
    assert found.evidence.startswith(
        f"process {pid} runs and is slow: {scene.url} has not answered"
    )
    assert "start" not in found.mend
    assert nobody.grade == "error", "something else has the port and gives no answer"


async def test_mends_name_the_unit_that_starts_the_service(tmp_path):
    path = programs(tmp_path / "bin", systemctl=unit())
    scene = scene_in(tmp_path, told=live(version="0.0.1"), PATH=path)
    assert (await only(scene, "runtime.service")).mend == "systemctl restart opencode-wecom"


async def test_a_port_that_somebody_else_has_is_named_with_whom(tmp_path):
    async with stand_in() as other:
        port = other.rpartition(":")[2]
        scene = scene_in(tmp_path, BOT_PORT=port)
        scene = await look_around(scene.settings, None, scene.environ)
        found = await only(scene, "runtime.port")
        assert (found.grade, "BOT_PORT" in found.mend) == ("error", True)
        assert found.evidence.startswith(f"127.0.0.1:{port} is taken by process {os.getpid()} (")
        assert "answers 200, and not as this service" in scene.silence
    async with stand_in(text="{}") as other:
        scene = scene_in(tmp_path, BOT_PORT=other.rpartition(":")[2])
        scene = await look_around(scene.settings, None, scene.environ)
        assert "not as this service" in scene.silence


async def test_a_service_that_has_the_port_itself_and_another_token_is_told_once(tmp_path):
    async with stand_in() as itself:
        scene = scene_in(tmp_path, BOT_PORT=itself.rpartition(":")[2])
        lock = Lock(scene.data_dir / "bot.db.lock")
        lock.take()
        found = await seen_in(scene, "runtime")
        lock.free()
    assert [one.check for one in found if one.grade == "error"] == ["runtime.service"]
    assert found[0].evidence.startswith(f"process {os.getpid()} works on the database")


async def test_a_service_of_another_version_is_to_be_restarted(tmp_path):
    found = await only(scene_in(tmp_path, told=live(version="0.0.1")), "runtime.service")
    assert (found.grade, found.mend) == ("warning", "start the service anew")
    assert f"what is installed here is {VERSION}" in found.evidence


@pytest.mark.parametrize(
    ("facts", "grade", "mend"),
    [
        ({"UnitFileState": "disabled"}, "warning", "systemctl enable opencode-wecom"),
        ({"ActiveState": "failed"}, "error", "journalctl -u opencode-wecom -n 50"),
        ({"ActiveState": "failed", "UnitFileState": "disabled"}, "error", "journalctl"),
        ({"LoadState": "not-found"}, "fine", ""),
    ],
)
async def test_a_unit_that_will_not_start_with_the_machine_is_named(tmp_path, facts, grade, mend):
    path = programs(tmp_path / "bin", systemctl=unit(**facts))
    found = await only(scene_in(tmp_path, PATH=path), "runtime.unit")
    assert (found.grade, found.mend[: len(mend)]) == (grade, mend)


@pytest.mark.parametrize(("main", "name"), [("own", "bot-b.service"), ("1", UNIT)])
async def test_a_unit_of_another_name_is_found_by_its_process(tmp_path, main, name):
    scene = scene_in(tmp_path)
    with held(scene) as pid:
        path = programs(tmp_path / "bin", systemctl=unit(MainPID=pid if main == "own" else main))
        found, facts = await service_unit(
            replace(scene, environ={"PATH": path}), lambda _: "bot-b.service"
        )
    assert (found, facts["LoadState"]) == (name, "loaded")


async def test_a_restart_loop_of_the_service_is_named(tmp_path):
    path = programs(tmp_path / "bin", systemctl=unit(NRestarts=41))
    scene = scene_in(tmp_path, told=live(uptime_s=20), PATH=path)
    found = await only(scene, "runtime.restarts")
    assert (found.grade, found.evidence.startswith("the unit 41 times")) == ("error", True)
    settled = scene_in(tmp_path, told=live(), PATH=path)
    assert (await only(settled, "runtime.restarts")).grade == "fine"


async def test_a_restart_loop_of_opencode_is_named_with_its_log(tmp_path):
    scene = scene_in(tmp_path, told=live(opencode={"restarts": 9}))
    found = await only(scene, "runtime.restarts")
    assert (found.grade, str(scene.data_dir / "opencode/server.log") in found.mend) == (
        "error",
        True,
    )


async def test_an_event_loop_that_lags_is_named(tmp_path):
    busy = {"loop": {"ok": False, "since": NOW, "p50_ms": 40.0, "max_ms": 2300.0}}
    found = await only(scene_in(tmp_path, told=live(watchdogs=busy)), "runtime.loop")
    assert (found.grade, "2300 ms at most" in found.evidence) == ("warning", True)


async def test_what_a_watchdog_sees_is_passed_on_without_names_of_chats(tmp_path):
    seen_now = {
        "outbox": {"ok": False, "since": NOW - HOUR, "held_up": ["wecom:direct:li"], "unknown": 2}
    }
    found = await only(scene_in(tmp_path, told=live(watchdogs=seen_now)), "runtime.watchdogs")
    assert (found.grade, found.evidence) == ("warning", "outbox for 1 h: held_up 1, unknown 2")


async def test_a_hold_that_an_upgrade_left_behind_is_named(tmp_path):
    scene = scene_in(tmp_path)
    file = scene.data_dir / "opencode/hold.json"
    put_hold(file, Hold("frozen", "upgrade to 1.18.33", NOW - 90 * MINUTE))
    found = await only(scene, "runtime.hold")
    assert (found.grade, "for 90 min" in found.evidence) == ("error", True)
    assert "python -m bot opencode rollback" in found.mend
    put_hold(file, Hold("held", "upgrade", NOW, owner_here(os.getpid())))
    assert (await only(scene, "runtime.hold")).grade == "warning"


async def test_too_low_a_limit_of_open_files_is_that_of_the_service_not_ours(tmp_path):
    scene = scene_in(tmp_path)
    with held(scene, 256) as pid:
        found = await only(scene, "runtime.files")
    assert found.grade == "warning"
    assert found.evidence == f"the service (process {pid}) may have 256 open, 256 if it asks"
    assert found.mend.startswith("LimitNOFILE=")
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 256


async def test_a_machine_without_git_is_named(tmp_path):
    (tmp_path / "bin").mkdir()
    found = await only(scene_in(tmp_path, PATH=str(tmp_path / "bin")), "runtime.programs")
    assert (found.grade, found.mend) == ("error", "apt install git")


async def test_a_time_zone_that_nobody_knows_is_named(tmp_path):
    found = await only(scene_in(tmp_path, TZ="Asia/Shanghia"), "runtime.zone")
    assert (found.grade, "'Asia/Shanghia'" in found.evidence) == ("warning", True)
    assert (await only(scene_in(tmp_path, TZ="Asia/Shanghai"), "runtime.zone")).grade == "fine"


async def test_a_service_with_another_python_is_told(tmp_path):
    found = await only(scene_in(tmp_path, told=live(python="3.9.1")), "runtime.python")
    assert (found.grade, "the service runs with Python 3.9.1" in found.evidence) == (
        "warning",
        True,
    )


async def test_a_systemctl_that_hangs_does_not_hold_up_the_doctor(tmp_path):
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "systemctl").write_text("#!/bin/sh\nexec sleep 600\n")
    (folder / "systemctl").chmod(0o755)
    scene = scene_in(tmp_path, PATH=f"{folder}:{os.environ['PATH']}")
    async with asyncio.timeout(60):
        (found,) = await seen(scene, "runtime.unit")
    assert (found.grade, "no answer within" in found.evidence) == ("error", True)
