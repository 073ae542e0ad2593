"""The units: what systemd says of them, and how a machine's own paths get into them."""

import os
import re
import shutil
import stat
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import StartError
from bot.leaving import REST_S
from bot.opencode.workspace import Workspaces
from bot.setup import units
from bot.setup.units import DEFAULTS, SERVICE, TEMPLATES, UnitValues, fill, memory_mb, write
from config.settings import load_settings

SOURCES = sorted(path for path in TEMPLATES.iterdir() if path.is_file())
NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
# systemd counts from 0 (shut in) to 10; the docs name what Debian 12's says.
EXPOSURE = 1.7
names = st.from_regex(r"[a-z_][a-z0-9_-]{0,20}", fullmatch=True)
paths = st.from_regex(r"(/[A-Za-z0-9_.@+-]{1,12}){1,4}", fullmatch=True).map(Path)


@pytest.fixture
def machine(tmp_path):
    """Values for a machine on which every program is there."""
    program = tmp_path / "opencode/opencode"
    python = tmp_path / "bot/.venv/bin/python"
    for place in (program, python):
        place.parent.mkdir(parents=True)
        place.symlink_to("/bin/true")
    return UnitValues(install=tmp_path / "bot", opencode_program=program, external=True)


@pytest.mark.parametrize("external", [False, True])
def test_systemd_finds_nothing_wrong_with_the_units(judge, machine, tmp_path, external):
    if not external:
        machine = UnitValues(install=machine.install)
    write(machine, tmp_path / "units")
    for name in machine.units:
        unit = tmp_path / "units" / name
        found = judge("systemd-analyze", "verify", "--man=no", unit, package="systemd")
        assert found == (0, "")


def test_systemd_finds_what_is_wrong_with_a_unit(judge, machine, tmp_path):
    write(machine, tmp_path)
    unit = tmp_path / SERVICE
    unit.write_text(unit.read_text().replace("ProtectSystem=strict", "ProtectSystem=firmly"))
    _, words = judge("systemd-analyze", "verify", "--man=no", unit, package="systemd")
    assert "firmly" in words


@pytest.mark.parametrize("external", [False, True])
def test_the_units_are_shut_in(judge, tmp_path, external):
    values = UnitValues(external=external)
    write(values, tmp_path)
    for name in values.units:
        code, words = judge(
            "systemd-analyze",
            "security",
            "--offline=true",
            f"--threshold={EXPOSURE * 10:.0f}",
            "--no-pager",
            tmp_path / name,
            package="systemd",
        )
        assert code == 0, words.splitlines()[-1]


def test_the_users_and_folders_are_understood(judge, tmp_path):
    (tmp_path / "etc").mkdir()
    place = tmp_path / "all.conf"
    place.write_text(units._people(UnitValues(external=True)))
    code, words = judge("systemd-sysusers", f"--root={tmp_path}", place, package="systemd")
    assert code == 0, words
    group = (tmp_path / "etc/group").read_text()
    assert re.search(r"^opencode-work:.*:opencode,opencode-wecom$", group, re.MULTILINE)
    users = (tmp_path / "etc/passwd").read_text()
    assert re.findall(r"^(\S+?):.*:/usr/sbin/nologin$", users, re.MULTILINE) == [
        "opencode-wecom",
        "opencode",
    ]


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_the_files_stand_for_the_defaults(source):
    text = source.read_text(encoding="utf-8")
    assert fill(text, DEFAULTS) == text


@given(
    st.builds(
        UnitValues,
        install=paths,
        settings=paths,
        secrets=paths,
        data=paths,
        user=names,
        opencode_program=paths,
        opencode_secrets=paths,
        opencode_data=paths,
        opencode_user=names,
        shared_group=names,
        workspaces=paths,
        external=st.booleans(),
    )
)
def test_no_path_of_another_machine_is_left(values):
    given_paths = [str(path) for path in paths_of(values)]
    for text in units.units(values).values():
        settings = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
        for default in map(str, paths_of(DEFAULTS)):
            for path in sorted(given_paths, key=len, reverse=True):  # which may hold a default
                settings = settings.replace(path, "")
            assert not re.search(rf"{re.escape(default)}(?![\w-])", settings), default
    assert f"User={values.user}\n" in units.units(values)[SERVICE]


def paths_of(values):
    held = [getattr(values, name) for name in UnitValues.__slots__]
    return [path for path in (*held, values.settings.parent) if isinstance(path, Path)]


def test_what_a_machine_has_of_its_own_stands_in_the_units():
    values = UnitValues(
        data=Path("/data/bot"),
        writable=(Path("/srv/shop"),),
        path="/opt/node/bin:/usr/bin",
        stop_s=75,
        memory_mb=1200,
        external=True,
        opencode_port=5123,
    )
    written = units.units(values)
    service, opencode = written[SERVICE], written["opencode.service"]
    for text in (service, opencode):
        assert "\nReadWritePaths=/srv/shop\n" in text
        assert "\nEnvironment=PATH=/opt/node/bin:/usr/bin\n" in text
        assert "\nMemoryHigh=1000M\nMemoryMax=1200M\n" in text
    assert "\nReadWritePaths=/data/bot\n" in service
    assert "StateDirectory=opencode-wecom\n" not in service
    assert "\nTimeoutStopSec=75\n" in service
    assert "--port 5123\n" in opencode
    assert "http://127.0.0.1:5123/global/dispose" in opencode
    assert "4096" not in opencode


def test_a_checkout_in_a_home_is_not_hidden_from_its_own_service():
    for at_home in (
        UnitValues(install=Path("/home/zhangsan/opencode-wecom")),
        UnitValues(writable=(Path("/home/zhangsan/shop"),)),
        UnitValues(path="/home/zhangsan/.nvm/bin:/usr/bin"),
    ):
        assert "\nProtectHome=read-only\n" in units.units(at_home)[SERVICE]
    assert "\nProtectHome=yes\n" in units.units(DEFAULTS)[SERVICE]


@pytest.mark.parametrize(
    "values",
    [
        UnitValues(install=Path("/opt/my bot")),
        UnitValues(data=Path("data")),
        UnitValues(settings=Path("/etc/%h.toml")),
        UnitValues(writable=(Path("/srv/a"), Path("/srv/b\nUser=root"))),
        UnitValues(user="root\nUser=root"),
        UnitValues(path="/usr/bin\nUser=root"),
        UnitValues(path="/usr/bin:bin"),
        UnitValues(shared_group=""),
    ],
)
def test_what_would_break_a_unit_is_refused(values):
    with pytest.raises(StartError):
        units.units(values)


def test_the_service_has_time_for_its_end():
    settings = load_settings(None, {})
    assert settings.turn.grace + REST_S < DEFAULTS.stop_s


def test_a_small_machine_keeps_a_quarter_of_its_memory():
    assert memory_mb(2048 * units.MEGABYTE) == 1536
    assert memory_mb(64 * 1024 * units.MEGABYTE) == DEFAULTS.memory_mb


def test_what_stood_there_is_kept_beside_it(tmp_path):
    [unit] = write(DEFAULTS, tmp_path, now=NOW)
    assert write(DEFAULTS, tmp_path, now=NOW) == [unit]
    assert list(tmp_path.iterdir()) == [unit]
    unit.write_text("[Service]\nExecStart=/my/own\n")
    write(DEFAULTS, tmp_path, now=NOW)
    assert unit.read_text() == (TEMPLATES / SERVICE).read_text()
    kept = tmp_path / f"{SERVICE}.before-20260504T030201Z"
    assert kept.read_text() == "[Service]\nExecStart=/my/own\n"


def test_a_backup_is_never_written_over(tmp_path):
    for text in ("one", "two"):
        (tmp_path / SERVICE).write_text(text)
        write(DEFAULTS, tmp_path, now=NOW)
    kept = {place.read_text() for place in tmp_path.glob("*.before-*")}
    assert kept == {"one", "two"}


@pytest.fixture
def machine_tools(tmp_path, monkeypatch):
    """Stand-ins for systemd's tools, which write down how they were called."""
    tools, calls = tmp_path / "tools", tmp_path / "calls"
    tools.mkdir()
    for name in ("systemctl", "systemd-sysusers", "systemd-tmpfiles"):
        (tools / name).write_text(f'#!/bin/sh\n(echo "{name} $*"; cat) >> {calls}\n')
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    return calls


def test_where_systemd_runs_the_units_are_installed_and_started(
    tmp_path, monkeypatch, machine_tools
):
    monkeypatch.setattr(units, "can_install", lambda: True)
    monkeypatch.setattr(units, "SYSTEM", tmp_path / "system")
    said = []
    assert units.install(UnitValues(external=True), tmp_path / "own", said.append)
    assert (tmp_path / "system" / SERVICE).exists()
    assert not (tmp_path / "own").exists()
    calls = machine_tools.read_text()
    assert "systemd-sysusers -\n" in calls
    assert "u opencode - " in calls
    assert "d /srv/opencode-work 0770 root opencode-work\n" in calls
    assert calls.endswith(
        "systemctl daemon-reload\nsystemctl enable --now opencode.service opencode-wecom.service\n"
    )
    restart = "  systemctl restart opencode.service opencode-wecom.service"
    assert restart not in said
    assert units.install(UnitValues(external=True), tmp_path / "own", said.append)
    assert said[-1] == restart, "what runs is not interrupted unasked, nor left as it was unsaid"


def test_units_are_installed_by_root_alone_and_where_systemd_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(units, "RUNNING", tmp_path)
    assert units.can_install() is (os.geteuid() == 0)
    monkeypatch.setattr(units, "RUNNING", tmp_path / "nowhere")
    assert not units.can_install()


def test_a_step_that_fails_is_said_in_its_own_words(tmp_path, monkeypatch, machine_tools):
    (tmp_path / "tools/systemctl").write_text("#!/bin/sh\necho no bus to speak to >&2\nexit 1\n")
    with pytest.raises(StartError, match="no bus to speak to"):
        units.run(["systemctl", "daemon-reload"], "")
    with pytest.raises(StartError, match="by hand"):
        units.run(["systemd-nothing-of-the-kind"], "")


def test_elsewhere_the_units_are_written_and_what_to_run_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(units, "can_install", lambda: False)
    said = []
    assert not units.install(UnitValues(external=True), tmp_path / "own", said.append)
    assert (tmp_path / "own" / SERVICE).exists()
    script = tmp_path / "script"
    shell = "\n".join(line.removeprefix("  ") for line in said if line.startswith("  "))
    script.write_text(shell)
    assert subprocess.run(["sh", "-n", script], check=False).returncode == 0
    assert "systemctl enable --now opencode.service opencode-wecom.service" in shell
    assert f"install -D -m 644 {tmp_path}/own/{units.DROP_IN} /etc/systemd/system/" in shell


def test_a_checkouts_own_folder_of_settings_keeps_its_owner():
    inside = UnitValues(settings=DEFAULTS.install / "config/bot.toml", data=Path("/data/bot"))
    folders = units._folders(inside)
    assert "d /opt" not in folders
    assert "z /opt/opencode-wecom/config/bot.toml 0640 root opencode-wecom\n" in folders
    assert "d /data/bot 0700 opencode-wecom opencode-wecom\n" in folders
    external = units._folders(UnitValues(external=True, opencode_data=Path("/data/oc")))
    assert "d /data/oc 0700 opencode opencode-work\n" in external


# What the units need of the service.


async def test_a_workspace_is_the_groups_where_the_folder_of_all_is(tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o770)
    folder = await Workspaces(shared, None, ()).folder("wecom:direct:zhangsan")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o770


def test_the_shell_of_agents_forgets_the_servers_secrets():
    bash = shutil.which("bash")
    if bash != "/usr/bin/bash" and not Path("/bin/bash").exists():
        pytest.skip("there is no /bin/bash, which the shell of opencode.service stands for")
    environ = {
        "PATH": "/usr/bin:/bin",
        "LANG": "C",
        "HOME": "/nowhere",
        "GIT_CONFIG_COUNT": "0",
        "OPENCODE_SERVER_PASSWORD": "p1",
        "ANTHROPIC_API_KEY": "k1",
        "GITHUB_TOKEN": "t1",
        "AWS_SECRET_ACCESS_KEY": "a1",
        "MY_PASSWORD": "line\nPATH=x\nLANG=y",
    }
    shell = TEMPLATES / "shell/bash"
    done = subprocess.run(
        [shell, "-c", "env"], env=environ, capture_output=True, text=True, check=True
    )
    seen = dict(line.split("=", 1) for line in done.stdout.splitlines())
    kept = {"PATH": "/usr/bin:/bin", "LANG": "C", "HOME": "/nowhere", "GIT_CONFIG_COUNT": "0"}
    assert {name: seen.get(name) for name in kept} == kept
    assert not {name for name in environ if name in seen} - kept.keys()
    assert seen["SHELL"] == "/bin/bash"
