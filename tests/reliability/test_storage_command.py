"""S7: backups by the command line: its exit codes, and what it leaves in the data folder."""

import asyncio
import os
import signal
import sys
from datetime import UTC, datetime

import pytest

from bot.__main__ import main
from bot.backup import back_up, restore
from store import open_store
from tests.store.samples import accept

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PATIENCE_S = 30


@pytest.fixture
async def filled(places):
    """A data folder with a turn."""
    async with await open_store(f"sqlite:///{places.database}") as store:
        await accept(store)


def test_s7_the_command_line_knows_wrong_usage_and_failures(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("BOT_DATA_DIR", str(tmp_path / "data"))
    with pytest.raises(SystemExit, match="2"):
        main(["restore"])
    assert main(["restore", str(tmp_path / "none.tar.gz")]) == 1
    assert "There is no " in capsys.readouterr().err
    assert main(["backup"]) == 1
    monkeypatch.setenv("BOT_PORT", "99999")
    assert main(["backup"]) == 2


def test_s7_the_command_line_backs_up_and_restores(places, filled, monkeypatch, capsys):
    monkeypatch.setenv("BOT_DATA_DIR", str(places.data_dir))
    assert main(["backup"]) == 0
    (file,) = places.backups.iterdir()
    assert main(["restore", str(file)]) == 0
    assert "are in place. Start the service." in capsys.readouterr().out


def test_s7_restoring_twice_keeps_both_that_were_there(places, filled, tmp_path):
    file = back_up(places, tmp_path / "b.tar.gz", now=NOW, say=lambda _: None)
    for _ in range(2):
        restore(places, file, now=NOW, say=lambda _: None)
    assert sorted(path.name for path in places.data_dir.glob("before-restore-*")) == [
        "before-restore-20260301-120000",
        "before-restore-20260301-120000-again",
    ]


async def test_s7_a_restore_that_is_cut_off_is_no_success(tmp_path):
    backup = tmp_path / "backup.tar.gz"
    os.mkfifo(backup)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "restore", str(backup)),
        env=os.environ | {"BOT_DATA_DIR": str(tmp_path / "data")},
    )
    async with asyncio.timeout(PATIENCE_S):
        end = await asyncio.to_thread(backup.open, "wb")  # opened once the command reads
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 1
    end.close()
