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
import structlog

from bot.errors import StartError
from bot.opencode.environment import MARK, Folders
from bot.opencode.files import write_private
from bot.opencode.process import Process, works_in

log = structlog.get_logger()

HOST = "127.0.0.1"
CONNECT_LIMIT_S = 1.0
PORTS = range(20_000, 32_000)


@dataclass(frozen=True, slots=True)
class Identity:
    """What stays the same over restarts; ``mark`` is in the environment of all that we start.

    ``place`` is the folder that it was made for: a copy of that folder is not the same server.
    """

    port: int
    password: str
    mark: str
    place: "Place | None" = None

    @classmethod
    def load(cls, file: Path) -> "Identity | None":
        """Read it; None when there is none that can be used."""
        facts = _read(file)
        port, password, mark = facts.get("port"), facts.get("password"), facts.get("mark")
        if isinstance(port, int) and isinstance(password, str) and isinstance(mark, str):
            file.chmod(0o600)
            return cls(port, password, mark, Place.of(facts.get("place")))
        return None

    @classmethod
    def new(cls, place: "Place") -> Self:
        """Make one up."""
        return cls(_free_port(), secrets.token_urlsafe(32), secrets.token_hex(8), place)

    @property
    def variable(self) -> str:
        """The mark as it stands in an environment."""
        return f"{MARK}={self.mark}"

    def with_free_port(self) -> Self:
        """Return it with its port, or with another one when somebody else listens there."""
        return replace(self, port=_free_port()) if _is_served(self.port) else self

    def kept(self, file: Path) -> Self:
        """Write it down."""
        write_private(file, orjson.dumps(asdict(self)))
        return self


@dataclass(frozen=True, slots=True)
class Place:
    """A folder: its real path, and what the system knows it by."""

    path: str
    device: int
    inode: int

    @classmethod
    def at(cls, folder: Path) -> Self:
        """Look at a folder."""
        real = folder.resolve()
        facts = real.stat()
        return cls(str(real), facts.st_dev, facts.st_ino)

    @classmethod
    def of(cls, facts: object) -> "Place | None":
        """Return what an identity says; None when an older version wrote it."""
        with contextlib.suppress(TypeError):
            return cls(**facts) if isinstance(facts, dict) else None
        return None

    def is_(self, other: "Place") -> bool:
        """Tell whether it is the same folder, moved perhaps; a device may get another number."""
        known = self.device == other.device or self.path == other.path
        return known and self.inode == other.inode


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


def take_up(folders: Folders) -> tuple[Identity, Record | None]:
    """Return who we are, and the server that was left running: never what is another folder's.

    A copy of a data folder holds the identity of the original. Whoever took it for their own
    would end the original's server, and all that it started.
    """
    here, known, left = _found(folders)
    made_for = known.place if known is not None else None
    works_here = works_in(left.process.pid, folders.empty) if left is not None else None
    if _is_foreign(made_for, here, works_here=works_here):
        log.warning("opencode.foreign", folder=made_for.path if made_for is not None else None)
        folders.record.unlink(missing_ok=True)
        known, left = None, None
    identity = replace(known, place=here) if known is not None else Identity.new(here)
    if left is None:
        identity = identity.with_free_port()
    # Nothing is written without need: a full disk must not keep the service from starting.
    return (identity if identity == known else identity.kept(folders.identity)), left


def _is_foreign(made_for: Place | None, here: Place, *, works_here: bool | None) -> bool:
    """Tell whether what is kept here is another folder's; the process that it names knows best."""
    if made_for is None:  # lost, or an older version's
        return works_here is False
    return not (works_here or made_for.is_(here))


def _found(folders: Folders) -> tuple[Place, Identity | None, Record | None]:
    left = Record.load(folders.record)
    living = left if left is not None and left.process.alive else None
    return Place.at(folders.root), Identity.load(folders.identity), living


def lock(file: Path) -> int:
    """Hold ``file`` for as long as this process lives; raises StartError when another does."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        os.close(descriptor)
        raise StartError(
            f"another service works on {file.parent.parent}; end it, or give this one another "
            "server.data_dir. If that is `opencode upgrade` or `rollback`, wait for its end."
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
