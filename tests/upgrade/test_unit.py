"""A server behind a systemd unit: ended and started by systemctl, its release a link."""

import contextlib
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from bot.errors import UpgradeError
from bot.upgrade.unit import UnitEngine
from tests.opencode_fixtures import free_port
from tests.upgrade.house import NEW, OLD, QUICK, ROOT, House
from tests.upgrade.test_kills import KILLED

SYSTEMCTL = ROOT / "tests/upgrade/systemctl.py"


class UnitHouse(House):
    """An installation whose server systemd runs."""

    port = 0

    @property
    def prefix(self):
        return self.folder / "opt/opencode"

    @property
    def tools(self):
        return self.folder / "tools"

    @property
    def opencode(self):
        return self.folder / "var/.local/share/opencode"

    @property
    def environ(self):
        return super().environ | {
            "PATH": f"{self.tools}:{os.environ['PATH']}",
            "OPENCODE_URL": f"http://127.0.0.1:{self.port}",
            "OPENCODE_SERVER_PASSWORD": "pass-word",
        }

    @property
    def chosen(self):
        return (self.prefix / "current").resolve().name

    @property
    def unit(self):
        return json.loads((self.tools / "unit.json").read_text())

    def describe(self, **changes):
        home = self.folder / "var"
        program = self.prefix / "current/node_modules/.bin/opencode"
        unit = {
            "name": "opencode.service",
            "argv": [str(program), "serve", "--port", str(self.port)],
            "environ": {
                "HOME": str(home),
                "XDG_DATA_HOME": str(home / ".local/share"),
                "GIT_CONFIG_VALUE_0": "*",
            },
            "secrets": {"OPENCODE_SERVER_PASSWORD": "pass-word"},
        }
        (self.tools / "unit.json").write_text(json.dumps(unit | changes))

    @property
    def calls(self):
        lines = (self.tools / "calls").read_text().split()
        return [line for line in lines if line in {"start", "stop"}]

    def systemctl(self, verb):
        subprocess.run([self.tools / "systemctl", verb, "opencode.service"], check=True)

    def stop(self):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            os.kill(int((self.tools / "pid").read_text()), signal.SIGKILL)


@pytest.fixture
async def unit(tmp_path, operator):
    house = UnitHouse(tmp_path, operator)
    house.port = free_port()
    house.tools.mkdir()
    tool = house.tools / "systemctl"
    tool.write_text(f"{QUICK}\n" + SYSTEMCTL.read_text())
    tool.chmod(0o755)
    house.describe()
    house.install(OLD, NEW, root=house.prefix / "releases")
    (house.prefix / "current").symlink_to(f"releases/{OLD}")
    await house.map_chats()
    house.systemctl("start")
    yield house
    house.stop()


def spoil(house, *faults, live=True):
    house.spoil(NEW, *faults, live=live, root=house.prefix / "releases")


async def test_a_unit_is_stopped_given_another_release_and_started(unit):
    before = unit.sessions
    ran = await unit.opencode_command("upgrade")
    assert ran.code == 0, ran.text
    assert unit.chosen == NEW
    assert unit.calls == ["start", "stop", "start"]
    assert unit.sessions == before
    assert unit.opened == [OLD, NEW]
    assert (unit.prefix / "current").readlink() == Path("releases") / NEW
    ran = await unit.opencode_command("rollback", "--yes")
    assert ran.code == 0, ran.text
    assert unit.chosen == OLD
    assert unit.sessions == before
    assert NEW not in unit.opened


@pytest.mark.parametrize("fault", ["deaf", "dies"])
async def test_what_fails_with_the_data_is_taken_back(unit, fault):
    before = unit.sessions
    spoil(unit, fault)
    ran = await unit.opencode_command("upgrade")
    assert ran.code == 1, ran.text
    assert unit.chosen == OLD
    assert unit.sessions == before
    assert NEW not in unit.opened
    assert not unit.folders.hold.exists()


async def test_a_kill_is_survived(unit):
    before = unit.sessions
    ran = await unit.opencode_command("upgrade", TEST_CRASHPOINT="upgrade.switch")
    assert ran.code == KILLED, ran.text
    ran = await unit.opencode_command("upgrade")
    assert ran.code == 0, ran.text
    assert unit.chosen == NEW
    assert unit.sessions == before


async def test_a_systemctl_that_refuses_changes_nothing(unit):
    unit.describe(refuses=["stop"])
    ran = await unit.opencode_command("upgrade")
    assert ran.code == 1
    assert "Access denied" in ran.text
    assert unit.chosen == OLD
    assert unit.opened == [OLD]
    assert not unit.folders.hold.exists()


async def test_a_unit_that_is_not_there_is_named(unit):
    unit.describe(load="not-found")
    ran = await unit.opencode_command("upgrade")
    assert ran.code == 1
    assert "no unit opencode.service" in ran.text
    assert "--unit" in ran.text


async def test_a_unit_without_a_link_to_its_release_cannot_be_switched(unit):
    unit.describe(argv=["/usr/bin/opencode", "serve"])
    ran = await unit.opencode_command("status")
    assert ran.code == 1
    assert "/usr/bin/opencode" in ran.text
    assert "current" in ran.text


async def test_a_unit_whose_database_is_elsewhere_is_not_upgraded_without_a_backup(unit):
    unit.stop()
    unit.describe(secrets={"OPENCODE_SERVER_PASSWORD": "pass-word", "OPENCODE_DB": "/srv/x.db"})
    unit.systemctl("start")  # as from a file of its environment: systemd does not show that
    ran = await unit.opencode_command("upgrade")
    assert ran.code == 1
    assert "OPENCODE_DB" in ran.text
    assert "/srv/x.db" not in ran.text
    assert unit.calls == ["start", "start"]
    assert unit.chosen == OLD


async def test_a_unit_whose_data_are_not_where_it_says_is_not_upgraded_either(unit):
    unit.stop()
    elsewhere = str(unit.folder / "elsewhere")
    unit.describe(secrets={"OPENCODE_SERVER_PASSWORD": "pass-word", "XDG_DATA_HOME": elsewhere})
    unit.systemctl("start")
    ran = await unit.opencode_command("upgrade")
    assert ran.code == 1
    assert "XDG_DATA_HOME" in ran.text
    assert "elsewhere" not in ran.text
    assert not unit.folders.hold.exists()


async def test_status_tells_of_the_unit(unit):
    ran = await unit.opencode_command("status")
    assert ran.code == 0, ran.text
    assert "opencode.service" in ran.text
    assert f"chosen      {OLD}" in ran.text
    assert f"would switch to {NEW}" in ran.text
    assert "pass-word" not in ran.text


async def test_a_unit_that_another_hand_starts_meanwhile_is_noticed_once(unit, monkeypatch):
    monkeypatch.setenv("PATH", unit.environ["PATH"])
    engine = UnitEngine(unit.settings, "opencode.service")
    await engine.end()
    await engine.end()
    unit.systemctl("start")
    with pytest.raises(UpgradeError, match="another hand"):
        await engine.end()
    await engine.end()
    assert unit.calls == ["start", "stop", "start", "stop"]
    assert await engine.begin() == OLD
    await engine.end()
