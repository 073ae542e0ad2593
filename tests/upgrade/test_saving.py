"""A backup of OpenCode's data is looked at after writing, and can be put back again and again."""

import contextlib
import errno
import os
import shutil
import sqlite3

import pytest

from bot.errors import BackupError, UpgradeError
from bot.opencode.files import hand_over
from bot.upgrade import saving
from bot.upgrade.saving import put_back, read, save, verified
from tests.small_disk import small_disk

FACTS = ("1.0.0", "2.0.0", 5)


@pytest.fixture
def data(tmp_path):
    data, live = tmp_path / "opencode", tmp_path / "live"
    live.mkdir()
    with contextlib.closing(sqlite3.connect(live / "opencode.db")) as database:
        database.executescript(
            "PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES (1)"
        )
        shutil.copytree(live, data)  # as a server leaves them that was killed
    (data / "auth.json").write_text('{"demo": "key"}')
    return data


@pytest.fixture
def config(tmp_path):
    config = tmp_path / "config"
    (config / "node_modules/x").mkdir(parents=True)
    (config / "opencode.json").write_text("{}")
    return config


def saved(tmp_path, data, config):
    folder = tmp_path / "backups/one"
    save(folder, data, [config, tmp_path / "none"], tmp_path / "none.db", FACTS)
    return folder


def rows(data):
    with contextlib.closing(sqlite3.connect(data / "opencode.db")) as database:
        return database.execute("SELECT x FROM t").fetchall()


def test_the_database_goes_with_its_log_the_configuration_and_the_credentials(
    tmp_path, data, config
):
    folder = saved(tmp_path, data, config)
    assert set(read(folder).files) == {
        *("data/opencode.db", "data/opencode.db-wal", "data/opencode.db-shm"),
        *("data/auth.json", "config/0/opencode.json"),
    }
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "data/auth.json").stat().st_mode & 0o777 == 0o600


def test_a_backup_that_is_whole_is_not_made_again(tmp_path, data, config):
    folder = saved(tmp_path, data, config)
    before = (folder / "manifest.json").stat().st_mtime_ns
    (data / "auth.json").write_text("other")
    saved(tmp_path, data, config)
    assert (folder / "manifest.json").stat().st_mtime_ns == before


def test_one_that_was_cut_off_is_made_anew(tmp_path, data, config):
    draft = tmp_path / "backups/.one.new"
    draft.mkdir(parents=True)
    (draft / "data").write_text("half")
    assert verified(saved(tmp_path, data, config)).origin == "1.0.0"
    assert not draft.exists()


@pytest.mark.parametrize("harm", ["changed", "gone"])
def test_a_damaged_backup_is_never_put_back(tmp_path, data, config, harm):
    folder = saved(tmp_path, data, config)
    if harm == "gone":
        (folder / "data/opencode.db").unlink()
    else:
        (folder / "data/opencode.db").write_bytes(b"rot")
    before = rows(data)
    with pytest.raises(UpgradeError, match=r"data/opencode\.db"):
        put_back(folder, data)
    assert rows(data) == before


def test_data_are_put_back_as_they_were_and_newer_logs_go(tmp_path, data, config):
    folder = saved(tmp_path, data, config)
    with contextlib.closing(sqlite3.connect(data / "opencode.db")) as database:
        database.executescript("INSERT INTO t VALUES (2)")
    (data / "opencode.db-shm").write_bytes(b"newer")
    (data / "auth.json").write_text("renewed")
    for _ in range(2):
        put_back(folder, data)
    assert rows(data) == [(1,)]
    assert (data / "auth.json").read_text() == "renewed"
    assert [path.name for path in data.glob(".*")] == []


def test_a_folder_without_a_manifest_is_no_backup(tmp_path):
    with pytest.raises(UpgradeError, match="no whole backup"):
        read(tmp_path)


def test_a_full_disk_is_found_before_anything_is_replaced(tmp_path, data, config, monkeypatch):
    folder = saved(tmp_path, data, config)

    def full(*_):
        raise BackupError("no room")

    monkeypatch.setattr(saving, "check_space", full)
    before = rows(data)
    with pytest.raises(BackupError, match="no room"):
        put_back(folder, data)
    assert rows(data) == before


def test_what_root_writes_belongs_to_the_user_of_the_folder(tmp_path):
    folder, file = tmp_path / "theirs", tmp_path / "file"
    folder.mkdir()
    file.write_text("")
    is_root = os.geteuid() == 0
    if is_root:
        os.chown(folder, 1234, 1235)
    hand_over(file, folder)
    assert file.stat().st_uid == (1234 if is_root else os.geteuid())


def test_a_disk_that_fills_up_on_the_way_is_left_without_half_a_backup(tmp_path, data, config):
    with small_disk(tmp_path / "disk", "size=16m") as disk:
        room = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
        (data / "opencode.db-shm").write_bytes(b"x" * (room + 1))
        with pytest.raises(OSError, match="No space left") as raised:
            save_without_looking(disk / "backups/one", data, config, tmp_path)
        assert raised.value.errno == errno.ENOSPC
        assert list((disk / "backups").iterdir()) == []


def save_without_looking(folder, data, config, tmp_path):
    """Save as if there had been room when it was looked at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(saving, "check_space", lambda *_: None)
        save(folder, data, [config], tmp_path / "none.db", FACTS)


def test_a_disk_that_fills_up_while_data_are_put_back_leaves_them_as_they_are(tmp_path, config):
    with small_disk(tmp_path / "disk", "size=16m") as disk, pytest.MonkeyPatch.context() as patch:
        patch.setattr(saving, "check_space", lambda *_: None)
        other, data = tmp_path / "other", disk / "opencode"
        for folder in (other, data):
            folder.mkdir()
        (other / "opencode.db").write_bytes(b"x" * 10_000_000)
        (data / "opencode.db").write_bytes(b"y" * 10_000_000)
        save(tmp_path / "backups/one", other, [config], tmp_path / "none.db", FACTS)
        with pytest.raises(OSError, match="No space left"):
            put_back(tmp_path / "backups/one", data)
        assert [path.name for path in data.iterdir()] == ["opencode.db"]
        assert (data / "opencode.db").read_bytes()[:1] == b"y"
