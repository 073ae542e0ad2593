"""Which files hold secrets, which secrets there are, and where agents work: nothing of one in the other."""

import contextlib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.doctor.reading import there
from bot.doctor.scene import Scene
from bot.opencode.environment import Folders
from config.data_files import LINK_KEY_FILE, SERVICE_FILE, TOKEN_FILE
from config.keys import Entry
from config.settings import Secret, catalogue
from config.sources import FROM_FILE, OPENCODE_FILE, secrets_beside
from store.sqlite import BACKUPS

OWN = ("BOT_", "WECOM_", "OPENCODE_")
SHORTEST_CHARS = 6  # of what can be told from an ordinary word


@dataclass(frozen=True, slots=True)
class SecretFile:
    """A file with something in it that others must not read; ``ours``: the service made it."""

    path: Path
    what: str
    ours: bool


def secret_entries() -> tuple[Entry, ...]:
    """Return the settings that are secrets."""
    return tuple(entry for entry in catalogue() if entry.secret)


def secret_files(scene: Scene) -> Iterator[SecretFile]:
    """Yield every file that is there and holds a secret."""
    for found in (*_named(scene), *_made(scene)):
        if there(found.path):
            yield found


def _named(scene: Scene) -> Iterator[SecretFile]:
    if scene.file is not None and _holds_secret(scene.file):
        yield SecretFile(scene.file.absolute(), "the settings file with secrets in it", ours=False)
    if (beside := secrets_beside(scene.file)) is not None:
        yield SecretFile(beside.absolute(), "the file of secrets", ours=False)
    if scene.file is not None:
        path = scene.file.with_name(OPENCODE_FILE).absolute()
        yield SecretFile(path, "the environment file of OpenCode", ours=False)
    for name in named_files(scene.environ):
        path = Path(scene.environ[name]).absolute()
        yield SecretFile(path, f"the file that {name} names", ours=False)


def named_files(environ: Mapping[str, str]) -> list[str]:
    """Return the variables that name a file with a secret."""
    return sorted(
        name
        for name, value in environ.items()
        if name.endswith(FROM_FILE) and name.startswith(OWN) and value
    )


def _made(scene: Scene) -> Iterator[SecretFile]:
    folders, data_dir = Folders.under(scene.data_dir), scene.data_dir
    yield SecretFile(data_dir, "the data folder", ours=True)
    for name in (TOKEN_FILE, LINK_KEY_FILE, SERVICE_FILE):
        yield SecretFile(data_dir / name, name, ours=True)
    for end in ("", "-wal", "-shm"):
        path = scene.database.with_name(scene.database.name + end)
        yield SecretFile(path, "the database", ours=True)
    yield SecretFile(folders.identity, "the password of the managed OpenCode", ours=True)
    for backup in sorted((data_dir / BACKUPS).glob("*.tar.gz")):
        yield SecretFile(backup, "a backup", ours=True)


def _holds_secret(file: Path) -> bool:
    with contextlib.suppress(OSError, ValueError):
        values = tomllib.loads(file.read_text(encoding="utf-8"))
        return any(_at(values, entry.key) for entry in secret_entries())
    return True  # what cannot be read may hold anything


def _at(values: object, key: str) -> object:
    for name in key.split("."):
        values = values.get(name) if isinstance(values, dict) else None
    return values


def secrets_of(scene: Scene) -> dict[str, str]:
    """Return every secret that we know, by what it is; never to be shown."""
    held = {entry.key: _held(scene.settings, entry.key) for entry in secret_entries()}
    found = {name: secret.get_secret_value() for name, secret in held.items() if secret is not None}
    if scene.address is not None and scene.address.password:
        found["OpenCode's password"] = scene.address.password
    with contextlib.suppress(OSError, UnicodeDecodeError):
        found[TOKEN_FILE] = (scene.data_dir / TOKEN_FILE).read_text(encoding="ascii").strip()
    return {name: value for name, value in found.items() if len(value) >= SHORTEST_CHARS}


def _held(settings: object, key: str) -> Secret | None:
    for name in key.split("."):
        settings = getattr(settings, name)
    return settings if isinstance(settings, Secret) else None


def agents_folders(scene: Scene) -> list[Path]:
    """Return the folders in which agents read without asking."""
    projects = [project.path for project in scene.settings.projects.values()]
    return [path.resolve() for path in (*projects, scene.settings.workspaces.root)]
