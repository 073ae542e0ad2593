"""What is kept of a managed server between starts: its identity, a record, and a lock."""

import contextlib
import json
import os
import shutil
import socket
import subprocess

import pytest
from structlog.testing import capture_logs

from bot.errors import StartError
from bot.opencode import identity
from bot.opencode.environment import Folders
from bot.opencode.identity import Identity, Record, lock, take_up
from bot.opencode.process import Process, started_at


@pytest.fixture
def folders(tmp_path):
    made = Folders(tmp_path / "data" / "opencode")
    made.make()
    return made


def copied(folders, name="copy"):
    """What `cp -a data elsewhere` makes."""
    data = folders.root.parent
    shutil.copytree(data, data.with_name(name), symlinks=True)
    return Folders(data.with_name(name) / "opencode")


def moved(folders, name="moved"):
    data = folders.root.parent
    return Folders(data.rename(data.with_name(name)) / "opencode")


@contextlib.contextmanager
def a_server(folders):
    """Run a process where a server works, recorded as one that was left running."""
    with subprocess.Popen(["sleep", "31341"], cwd=folders.empty) as child:
        Record(Process(child.pid, started_at(child.pid)), "print").keep(folders.record)
        try:
            yield child.pid
        finally:
            child.kill()


def change(file, **facts):
    file.write_text(json.dumps(json.loads(file.read_text()) | facts))


def test_an_identity_that_is_torn_is_made_anew(folders):
    file = folders.identity
    file.write_text("{torn")
    fresh, _ = take_up(folders)
    assert take_up(folders) == (fresh, None)
    assert fresh.variable == f"OPENCODE_WECOM_MARK={fresh.mark}"
    file.chmod(0o644)
    assert Identity.load(file) == fresh
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_text("[]")
    assert take_up(folders)[0] != fresh


def test_a_copy_of_the_folder_is_another_server_and_says_so(folders):
    original, _ = take_up(folders)
    with a_server(folders), capture_logs() as logged:
        copy = copied(folders)
        taken, left = take_up(copy)
        assert take_up(folders)[0] == original
        assert take_up(folders)[1] is not None
    assert left is None
    assert not copy.record.exists()
    assert len({original.port, taken.port}) == 2
    assert len({original.mark, taken.mark}) == 2
    assert len({original.password, taken.password}) == 2
    assert take_up(copy)[0] == taken
    assert [(e["event"], e["folder"], e["log_level"]) for e in logged] == [
        ("opencode.foreign", str(folders.root), "warning")
    ]


@pytest.mark.parametrize("unusable", ["{torn", "an older version's"])
def test_a_copy_does_not_take_the_originals_server_whatever_its_identity_says(folders, unusable):
    take_up(folders)
    with a_server(folders):
        copy = copied(folders)
        if unusable == "{torn":
            copy.identity.write_text(unusable)
        else:
            change(copy.identity, place=None)
        taken, left = take_up(copy)
        assert left is None
        assert taken.mark != take_up(folders)[0].mark


def test_a_folder_that_was_moved_keeps_its_server(folders):
    before, _ = take_up(folders)
    with a_server(folders) as pid:
        there = moved(folders)
        after, left = take_up(there)
    assert (after.port, after.password, after.mark) == (before.port, before.password, before.mark)
    assert left.process.pid == pid
    assert after.place.path == str(there.root)
    assert take_up(there) == (after, None)


def test_a_moved_folder_and_a_copy_in_its_old_place_are_two_servers(folders):
    before, _ = take_up(folders)
    data = folders.root.parent
    with a_server(folders) as pid:
        there = moved(folders)
        shutil.copytree(there.root.parent, data)
        put_back, left = take_up(folders)
        assert left is None
        assert put_back.mark != before.mark
        original, left = take_up(there)
    assert original.mark == before.mark
    assert left.process.pid == pid


def test_a_folder_that_was_restored_from_a_copy_can_be_used(folders):
    take_up(folders)
    copied(folders)
    shutil.rmtree(folders.root.parent)
    moved(Folders(folders.root.parent.with_name("copy") / "opencode"), "data")
    restored, left = take_up(folders)
    assert left is None
    assert take_up(folders) == (restored, None)


def test_a_disk_that_has_another_number_after_a_start_of_the_machine_is_the_same(folders):
    before, _ = take_up(folders)
    change(folders.identity, place=vars_of(before.place) | {"device": 7})
    assert take_up(folders) == (before, None)


def test_the_server_that_works_here_is_ours_whatever_the_number_of_the_folder(folders):
    before, _ = take_up(folders)
    change(folders.identity, place={"path": "/elsewhere", "device": 7, "inode": 7})
    with a_server(folders) as pid:
        after, left = take_up(folders)
    assert (after, left.process.pid) == (before, pid)


def test_the_identity_of_an_older_version_is_kept(folders):
    before, _ = take_up(folders)
    for facts in ({"port": 1}, None, 7):
        change(folders.identity, place=facts)
        with a_server(folders) as pid:
            after, left = take_up(folders)
        assert (after, left.process.pid) == (before, pid)


def test_nothing_is_written_without_need(folders):
    take_up(folders)
    written = folders.identity.stat().st_ino
    take_up(folders)
    assert folders.identity.stat().st_ino == written


def vars_of(place):
    return {"path": place.path, "device": place.device, "inode": place.inode}


def test_a_record_is_kept_and_read_again(tmp_path):
    file = tmp_path / "server.json"
    assert Record.load(file) is None
    record = Record(Process(7, "boot:9"), "print")
    record.keep(file)
    assert Record.load(file) == record
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_lock_is_held_once(tmp_path):
    held = lock(tmp_path / "lock")
    with pytest.raises(StartError, match="another service"):
        lock(tmp_path / "lock")
    os.close(held)
    os.close(lock(tmp_path / "lock"))


def test_a_port_is_chosen_that_nobody_has(folders, monkeypatch):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        taken = other.getsockname()[1]
        monkeypatch.setattr(identity, "PORTS", range(taken - 1, taken + 2))
        for _ in range(20):
            folders.identity.unlink(missing_ok=True)
            assert take_up(folders)[0].port != taken
