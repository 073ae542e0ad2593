"""Backups that root makes for the service's user: nothing is left that this user cannot use."""

import os
import tempfile
from pathlib import Path

import pytest

from bot.__main__ import main
from store import open_store
from tests.store.samples import accept

NOBODY = 65534


@pytest.fixture
def folder():
    """A data folder in a place that everybody may go to."""
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        data = Path(place, "data")
        data.mkdir(mode=0o700)
        yield data


@pytest.fixture
async def data(folder, monkeypatch):
    """The data of another user, where this is root; else our own."""
    async with await open_store(f"sqlite:///{folder}/bot.db") as store:
        await accept(store)
    monkeypatch.setenv("BOT_DATA_DIR", str(folder))
    hand_over(folder)
    return folder


def hand_over(folder):
    if os.geteuid() == 0:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, NOBODY, NOBODY)


def owners(folder):
    return {path.stat().st_uid for path in (folder, *folder.rglob("*"))}


def test_what_a_backup_and_a_restore_by_root_leave_is_the_owners(data, capsys):
    user = data.stat().st_uid
    assert main(["backup"]) == 0
    assert owners(data) == {user}
    [made] = (data / "backups").glob("*.tar.gz")
    assert main(["restore", str(made)]) == 0
    assert owners(data) == {user}
    told = f"to whom {data} belongs" in capsys.readouterr().out
    assert told is (os.geteuid() == 0), "only root becomes somebody else"


def test_root_is_root_again_after_a_failure(data, tmp_path, capsys):
    who = os.geteuid(), os.getegid(), os.getgroups()
    assert main(["restore", str(tmp_path / "nothing.tar.gz")]) == 1
    assert (os.geteuid(), os.getegid(), os.getgroups()) == who
    assert "opencode-wecom: " in capsys.readouterr().err
