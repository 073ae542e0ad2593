"""What is kept of a managed server between starts: its identity, a record, and a lock."""

import os
import socket

import pytest

from bot.errors import StartError
from bot.opencode import identity
from bot.opencode.identity import Identity, Record, lock
from bot.opencode.process import Process


def test_an_identity_that_is_torn_is_made_anew(tmp_path):
    file = tmp_path / "identity.json"
    file.write_text("{torn")
    fresh = Identity.load(file)
    assert Identity.load(file) == fresh
    assert fresh.variable == f"OPENCODE_WECOM_MARK={fresh.mark}"
    file.chmod(0o644)
    assert Identity.load(file) == fresh
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_text("[]")
    assert Identity.load(file) != fresh


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


def test_a_port_is_chosen_that_nobody_has(tmp_path, monkeypatch):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        taken = other.getsockname()[1]
        monkeypatch.setattr(identity, "PORTS", range(taken - 1, taken + 2))
        for number in range(20):
            assert Identity.load(tmp_path / f"{number}.json").port != taken
