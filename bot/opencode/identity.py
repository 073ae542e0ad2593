"""What a managed server keeps on disk so that it stays the same one, and ours: port, password, pid."""

import contextlib
import fcntl
import os
import secrets
import socket
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self

import orjson

from bot.errors import StartError
from bot.opencode.environment import MARK
from bot.opencode.files import write_private
from bot.opencode.process import Process

HOST = "127.0.0.1"
CONNECT_LIMIT_S = 1.0
PORTS = range(20_000, 32_000)


@dataclass(frozen=True, slots=True)
class Identity:
    """What stays the same over restarts; ``mark`` is in the environment of all that we start."""

    port: int
    password: str
    mark: str

    @classmethod
    def load(cls, file: Path) -> Self:
        """Read it, or make it up and keep it."""
        facts = _read(file)
        port, password, mark = facts.get("port"), facts.get("password"), facts.get("mark")
        if isinstance(port, int) and isinstance(password, str) and isinstance(mark, str):
            file.chmod(0o600)
            return cls(port, password, mark)
        return cls(_free_port(), secrets.token_urlsafe(32), secrets.token_hex(8)).kept(file)

    @property
    def variable(self) -> str:
        """The mark as it stands in an environment."""
        return f"{MARK}={self.mark}"

    def with_free_port(self, file: Path) -> Self:
        """Return it with its port, or with another one when somebody else listens there."""
        if not _is_served(self.port):
            return self
        return replace(self, port=_free_port()).kept(file)

    def kept(self, file: Path) -> Self:
        """Write it down."""
        write_private(file, orjson.dumps(asdict(self)))
        return self


@dataclass(frozen=True, slots=True)
class Record:
    """The server that runs, so that whoever comes after us can tell that it is ours."""

    process: Process
    fingerprint: str

    @classmethod
    def load(cls, file: Path) -> "Record | None":
        """Read it; None when no server was left behind."""
        facts = _read(file)
        pid, started = facts.get("pid"), facts.get("started")
        if not isinstance(pid, int) or not isinstance(started, str):
            return None
        return cls(Process(pid, started), str(facts.get("fingerprint", "")))

    def keep(self, file: Path) -> None:
        """Write it down."""
        facts = {"pid": self.process.pid, "started": self.process.started}
        write_private(file, orjson.dumps({**facts, "fingerprint": self.fingerprint}))


def lock(file: Path) -> int:
    """Hold ``file`` for as long as this process lives; raises StartError when another does."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        os.close(descriptor)
        raise StartError(
            f"another service works on {file.parent.parent}; end it, or give this one another "
            "server.data_dir."
        ) from exc
    return descriptor


def _read(file: Path) -> dict[str, object]:
    with contextlib.suppress(OSError, ValueError):
        value = orjson.loads(file.read_bytes())
        return value if isinstance(value, dict) else {}
    return {}


def _free_port() -> int:
    """Return a port that nobody has now, from where systems do not take those of connections."""
    return next(port for port in iter(_any_port, None) if _is_free(port))


def _any_port() -> int:
    return PORTS.start + secrets.randbelow(len(PORTS))


def _is_served(port: int) -> bool:
    """Tell whether somebody listens. Binding would fail for a minute after our own server's end."""
    with socket.socket() as probe:
        probe.settimeout(CONNECT_LIMIT_S)
        return probe.connect_ex((HOST, port)) == 0


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
