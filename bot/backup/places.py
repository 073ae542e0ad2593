"""Where the things are that a backup holds, and what it needs to know of their disk."""

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bot.errors import BackupError
from config.data_files import LINK_KEY_FILE, SERVICE_FILE
from config.settings import Settings
from store import SQLITE
from store.sqlite import BACKUPS, RESTORING

PRIVATE = 0o700
SPARE_BYTES = 16_000_000
MEGABYTE = 1_000_000
DATABASE = "bot.db"  # its name in a backup; where it belongs is a setting
BLOBS = "blobs"


@dataclass(frozen=True, slots=True)
class Places:
    """The data folder and the database of one service."""

    data_dir: Path
    database: Path

    @classmethod
    def of(cls, settings: Settings) -> "Places":
        """Return the places that the settings name."""
        return cls(settings.server.data_dir, Path(settings.store.url.removeprefix(SQLITE)))

    @property
    def blobs(self) -> Path:
        """The copies of files."""
        return self.data_dir / BLOBS

    @property
    def keys(self) -> tuple[Path, ...]:
        """What links are signed with, and how the service knows its own sessions."""
        return (self.data_dir / LINK_KEY_FILE, self.data_dir / SERVICE_FILE)

    @property
    def backups(self) -> Path:
        """Where backups are kept unless another place is named."""
        return self.data_dir / BACKUPS

    @property
    def restoring(self) -> Path:
        """There while a restore is being put in place: the service does not start then."""
        return self.database.with_name(self.database.name + RESTORING)

    def target(self, name: str) -> Path:
        """Return where a thing belongs that a backup names."""
        return self.database if name == DATABASE else self.data_dir / name


def stamp(at: datetime) -> str:
    """Return a time as names of files have it."""
    return f"{at:%Y%m%d-%H%M%S}"


def check_space(folder: Path, wanted: int, what: str) -> None:
    """Raise ``BackupError`` when a folder's disk has no room for so many bytes and some to spare."""
    free = shutil.disk_usage(folder).free
    if free < wanted + SPARE_BYTES:
        raise BackupError(
            f"{what} needs about {(wanted + SPARE_BYTES) / MEGABYTE:,.0f} MB in {folder}, where "
            f"{free / MEGABYTE:,.0f} MB are free. Make space, or name another place."
        )


def folders_in(root: Path) -> Iterable[Path]:
    """Return a folder and all below it."""
    return [Path(path) for path, _, _ in os.walk(root)]
