"""What the operating system tells, and what is made of it when it tells nothing."""

import os
import socket

import orjson
import pytest

from bot.doctor import machine
from bot.doctor.reading import HOUR_MS, MINUTE_MS, age, size
from bot.doctor.scene import address_of
from bot.doctor.units import UNIT
from tests.doctor.scenes import DAY, scene_in
from tests.service_fixtures import free_port

NOBODY = 2**22 + 1  # no pid is so large


def test_who_listens_is_told_by_user_and_process():
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen()
        found = machine.listener(door.getsockname()[1])
    assert (found.uid, found.pid) == (os.getuid(), os.getpid())
    assert str(found).endswith(f"of user {machine.user_name(os.getuid())}")
    assert str(machine.Listener(54321, None, "")) == "a process of user 54321"
    assert machine.listener(free_port()) is None


def test_of_a_process_that_is_gone_nothing_is_told():
    assert machine.uid_of(NOBODY) is None
    assert machine.name_of(NOBODY) == ""
    assert machine.open_files(NOBODY) is None
    assert machine._owner("0") is None


def test_the_unit_of_a_process_is_told_by_its_control_group():
    assert machine.unit_in("1:cpu:/\n0::/system.slice/opencode-wecom.service\n") == UNIT
    assert machine.unit_in("0::/user.slice/user-0.slice/user@0.service/app.slice/vte.scope") == ""
    assert machine.unit_of(os.getpid()) == machine.unit_of(os.getppid())
    assert machine.unit_of(NOBODY) == ""


def test_nobody_holds_a_lock_that_is_not_there_or_free(tmp_path):
    assert machine.holder(tmp_path / "none") is None
    (tmp_path / "free").touch()
    assert machine.holder(tmp_path / "free") is None


def test_the_port_of_this_machine_is_told_from_one_elsewhere():
    assert machine.local_port("http://127.0.0.1:4096") == 4096
    assert machine.local_port("https://localhost") == 443
    assert machine.local_port("http://[::1]") == 80
    assert machine.local_port("https://bot.example.com") is None


async def test_a_program_that_is_not_there_or_fails_says_nothing(tmp_path):
    assert await machine.said_by("true", environ={"PATH": str(tmp_path)}) == ""
    assert await machine.said_by("false", environ=os.environ) == ""


@pytest.mark.parametrize(
    ("ms", "words"),
    [
        (-5, "0 s"),
        (59_999, "59 s"),
        (MINUTE_MS, "1 min"),
        (HOUR_MS, "1 h"),
        (DAY, "24 h"),
        (2 * DAY, "2 days"),
    ],
)
def test_spans_of_time_are_said_as_people_do(ms, words):
    assert age(ms) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (5e9, "5.0 GB"), (2e12, "2.0 TB")],
)
def test_sizes_are_said_as_disks_are_sold(count, words):
    assert size(count) == words


def test_a_managed_opencode_is_found_by_what_it_keeps(tmp_path):
    scene = scene_in(tmp_path)
    assert address_of(scene.settings) is None
    file = scene.data_dir / "opencode/identity.json"
    file.parent.mkdir()
    for content in (b"[]", b"{}", b"rubbish"):
        file.write_bytes(content)
        assert address_of(scene.settings) is None
    file.write_bytes(orjson.dumps({"port": 4096, "password": "p", "mark": "m"}))
    assert address_of(scene.settings).url == "http://127.0.0.1:4096"
