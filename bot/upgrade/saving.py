"""The data of a release of OpenCode: copied with their sums, looked at again, and put back."""

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from bot.backup.archive import Member, digest
from bot.backup.places import check_space
from bot.errors import UpgradeError
from bot.opencode.files import hand_over, sync, write_durably
from store.copying import contents, snapshot

DATABASE = ("opencode.db", "opencode.db-wal", "opencode.db-shm")
CREDENTIALS = ("auth.json", "mcp-auth.json")
MANIFEST = "manifest.json"
MAPPING = "mapping.db"  # our own database, for the record
DATA, CONFIG = "data", "config"
FORMAT = 1
PRIVATE = 0o700
LEFT_OUT = shutil.ignore_patterns("node_modules", ".gitignore", "package-lock.json", "bun.lock*")


@dataclass(frozen=True, slots=True)
class Saved:
    """What a backup holds: whose data, and every file with its sum."""

    origin: str
    target: str
    at: int
    files: dict[str, Member]


def size(data: Path) -> int:
    """Return how many bytes OpenCode's database takes, its log included."""
    return sum(file.stat().st_size for file in _existing(data, DATABASE))


def save(
    folder: Path, data: Path, configs: Iterable[Path], database: Path, facts: tuple[str, str, int]
) -> Saved:
    """Copy the data of a server that is down into ``folder``; done before, it is only looked at.

    ``configs`` are folders of configuration, ``database`` is ours, ``facts`` are origin, target
    and time. Raises ``UpgradeError`` and ``BackupError`` when the copy is not the original.
    """
    if (folder / MANIFEST).exists():
        return verified(folder)
    draft = draft_of(folder)
    forget_draft(folder)
    if not folder.parent.exists():
        folder.parent.mkdir(mode=PRIVATE, parents=True)
        hand_over(folder.parent, folder.parent.parent)  # the service keeps its own backups there
    try:
        draft.mkdir(mode=PRIVATE)
        _fill(draft, data, configs, database, facts)
        draft.rename(folder)
    finally:
        forget_draft(folder)  # half a backup would take the room that the disk lacks
    sync(folder.parent)
    return verified(folder)


def draft_of(folder: Path) -> Path:
    """Return where a backup stands until it is whole."""
    return folder.with_name(f".{folder.name}.new")


def forget_draft(folder: Path) -> None:
    """Remove what is left of a backup that was not finished."""
    shutil.rmtree(draft_of(folder), ignore_errors=True)


def _fill(
    draft: Path, data: Path, configs: Iterable[Path], database: Path, facts: tuple[str, str, int]
) -> None:
    check_space(draft, size(data) + _bytes(database), "The backup of OpenCode's data")
    (draft / DATA).mkdir(mode=PRIVATE)
    for file in _existing(data, (*DATABASE, *CREDENTIALS)):
        _copied(file, draft / DATA / file.name)
    for number, config in enumerate(each for each in configs if each.is_dir()):
        shutil.copytree(config, draft / CONFIG / str(number), symlinks=True, ignore=LEFT_OUT)
    if database.exists():
        snapshot(database, draft / MAPPING)
        contents(draft / MAPPING, "The copy of our own database")
    origin, target, at = facts
    files = {str(path.relative_to(draft)): digest(path) for path in _files(draft)}
    sync(*_files(draft), *(path for path in draft.rglob("*") if path.is_dir()))
    raw = {"format": FORMAT} | asdict(Saved(origin, target, at, files))
    write_durably(draft / MANIFEST, orjson.dumps(raw, option=orjson.OPT_INDENT_2))


def verified(folder: Path) -> Saved:
    """Read a backup again to its end; raises ``UpgradeError`` when a sum is another one."""
    saved = read(folder)
    for name, member in saved.files.items():
        path = folder / name
        if not path.is_file() or digest(path) != member:
            raise UpgradeError(f"The backup {folder} is damaged: {name} is not what was written.")
    return saved


def read(folder: Path) -> Saved:
    """Return what a backup holds, by its own word."""
    try:
        facts = orjson.loads((folder / MANIFEST).read_bytes())
        files = {name: Member(**member) for name, member in facts["files"].items()}
        return Saved(facts["origin"], facts["target"], facts["at"], files)
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise UpgradeError(f"There is no whole backup in {folder}.") from exc


def put_back(folder: Path, data: Path) -> None:
    """Make the database of a backup the one in ``data``; cut off, it is done again.

    The credentials stay: they are renewed as they are used, and old ones are good for nothing.
    """
    verified(folder)
    source = folder / DATA
    _forget_copies(data)
    check_space(data, size(source), "The data of before")
    owner = (data / DATABASE[0]) if (data / DATABASE[0]).exists() else data
    drafts = []
    try:
        for file in _existing(source, DATABASE):
            draft = data / f".{file.name}.back"
            _copied(file, draft)
            hand_over(draft, owner)
            drafts.append((draft, data / file.name))
        for name in reversed(DATABASE):  # a log without its database is nothing, and is never read
            (data / name).unlink(missing_ok=True)
        for draft, target in reversed(drafts):
            draft.replace(target)
    finally:
        _forget_copies(data)
    sync(data)


def _forget_copies(data: Path) -> None:
    """Remove copies that did not come to be the database."""
    for name in DATABASE:
        (data / f".{name}.back").unlink(missing_ok=True)


def copied_into(folder: Path, data: Path) -> None:
    """Copy the database and the credentials from a data folder to another, for a server to try."""
    folder.mkdir(parents=True, exist_ok=True, mode=PRIVATE)
    check_space(folder, size(data), "A copy of OpenCode's data")
    for file in _existing(data, (*DATABASE, *CREDENTIALS)):
        shutil.copyfile(file, folder / file.name)
        (folder / file.name).chmod(0o600)


def _copied(source: Path, target: Path) -> None:
    """Copy a file and compare what was written with what was read."""
    expected = digest(source)
    shutil.copyfile(source, target)
    target.chmod(0o600)
    sync(target)
    if digest(target) != expected:
        raise UpgradeError(f"{target} is not what {source} is: is the disk well?")


def _existing(folder: Path, names: Iterable[str]) -> Iterator[Path]:
    return (folder / name for name in names if (folder / name).is_file())


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _bytes(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0
