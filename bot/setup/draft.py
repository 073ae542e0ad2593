"""A configuration that is being made: the settings file with its comments, and the secrets beside it."""

import re
import tempfile
from collections.abc import Callable, Mapping, MutableMapping
from datetime import datetime
from pathlib import Path

import tomlkit
from pydantic import SecretStr, ValidationError
from tomlkit import TOMLDocument
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Table

from bot.setup.files import GROUP_READS, Planned, environment_file, write_all, write_private
from config.keys import PROJECT, Entry
from config.problems import SettingsError, explain
from config.settings import Settings, catalogue, load_settings
from config.sources import (
    FROM_FILE,
    OPENCODE_FILE,
    SECRETS_FILE,
    read_environment,
    read_file,
    read_secrets,
)

HEADER = (
    "Written by `python -m bot setup`, which may be run again; what you add by hand stays.",
    "Every setting: config/bot.example.toml. Secrets are in the file beside this one.",
)
SECRETS_HEADER = """\
# Secrets of opencode-wecom: read by the service itself, and fit for systemd's EnvironmentFile=.
# Written by `python -m bot setup`. Keep it readable by the service's user alone.
"""
OPENCODE_HEADER = """\
# For OpenCode's own systemd unit: the password that it asks for, and keys of model providers.
# Written by `python -m bot setup`, which leaves other lines alone.
"""
PASSWORD = "opencode.password"  # noqa: S105 - the name of a setting
NOTHING: Mapping[str, str] = {}
HEARD = "# Heard by setup on "
FAMILY = (PROJECT, "path")  # the end of the one key that has no name of its own


class Draft:
    """The configuration as it will be. Nothing is on the disk before ``write``."""

    def __init__(self, file: Path, document: TOMLDocument, secrets: dict[str, str]) -> None:
        self.file = file
        self._document = document
        self.with_opencode_file = False
        self._heard: str | None = None
        self._secrets = secrets
        self._known = {entry.key: entry for entry in catalogue()}

    @classmethod
    def open(cls, file: Path) -> "Draft":
        """Begin with what is configured already; raises ``SettingsError`` when it cannot be read."""
        secrets = file.with_name(SECRETS_FILE)
        problems = read_file(file)[1] if file.exists() else []
        kept, more = read_secrets(secrets if secrets.exists() else None, {}, catalogue())
        if problems or more:
            raise SettingsError([*problems, *more])
        try:
            document = tomlkit.parse(file.read_text(encoding="utf-8")) if file.exists() else _new()
        except TOMLKitError as exc:  # pragma: no cover - the standard library has read it
            raise SettingsError([]) from exc
        draft = cls(file, document, {})
        for key, value in kept.items():
            draft.put(key, value)
        draft._take_secrets_out()
        return draft

    @classmethod
    def afresh(cls, file: Path) -> "Draft":
        """Begin with nothing; what is there goes into a backup when this is written."""
        return cls(file, _new(), {})

    @property
    def secrets_file(self) -> Path:
        """Where the secrets belong."""
        return self.file.with_name(SECRETS_FILE)

    def get(self, key: str) -> object | None:
        """Return what is given for a key: a secret in clear, else what the file holds."""
        entry = self._known.get(key)
        if entry is not None and entry.secret:
            return self._secrets.get(entry.env)
        *tables, name = key.split(".")
        table = self._table(tables)
        value = None if table is None else table.get(name)
        return value.unwrap() if hasattr(value, "unwrap") else value

    def text(self, key: str) -> str:
        """Return what is given for a key as a person would type it; empty for nothing."""
        value = self.get(key)
        if isinstance(value, list):
            return ", ".join(str(item) for item in value)
        return "" if value is None else str(value)

    def put(self, key: str, value: object) -> None:
        """Give a key its value, which the settings are known to take."""
        entry = self._known.get(key)
        if entry is not None and entry.secret:
            self._secrets[entry.env] = str(value)
            return
        if self.get(key) == value:
            return  # so that its comment and its way of writing stay
        *tables, name = key.split(".")
        table: MutableMapping[str, object] = self._document
        for step in tables:
            found = table.get(step)
            if not isinstance(found, MutableMapping):
                table[step] = tomlkit.table()
                found = table[step]
            assert isinstance(found, MutableMapping), "made above"
            table = found
        table[name] = value

    def drop(self, key: str) -> None:
        """Take a key out, or a whole table; one that is not there is no trouble."""
        entry = self._known.get(key)
        if entry is not None and entry.secret:
            self._secrets.pop(entry.env, None)
        *tables, name = key.split(".")
        table = self._table(tables)
        if table is not None and name in table:
            del table[name]
            self._prune(tables)

    def variables(self, key: str) -> tuple[str, ...]:
        """Return the variables of the environment that may hold a key."""
        entry = self._known[key]
        return (entry.env, f"{entry.env}{FROM_FILE}") if entry.secret else (entry.env,)

    def take(self, environ: Mapping[str, str]) -> None:
        """Lay over it what variables of the environment give; raises ``SettingsError``."""
        known = catalogue()
        given, problems = read_environment(environ, known)
        for key, raw in given.items():
            try:
                self.put(key, typed(key, raw, given))
            except SettingsError as exc:
                problems += exc.problems
        if problems:
            raise SettingsError(problems)

    def note_heard(self, words: str) -> None:
        """Have the file say, as a comment, what came from WeCom; empty words: that nothing did."""
        self._heard = words

    def settings(self) -> Settings:
        """Return the settings as the service would read them; raises ``SettingsError``."""
        with tempfile.TemporaryDirectory(prefix="setup-") as folder:
            file = Path(folder, self.file.name)
            file.write_text(self._toml(), encoding="utf-8")
            write_private(file.with_name(SECRETS_FILE), self._env().content)
            return load_settings(file, {})

    def planned(self) -> list[Planned]:
        """Return the files that ``write`` would write: those that would change."""
        wanted = [
            Planned(self.file, self._toml(), GROUP_READS),
            self._env(),
        ]
        if not self._secrets and not self.secrets_file.exists():
            wanted.pop()
        if self.with_opencode_file:
            variable = self._known[PASSWORD].env
            held = {variable: self._secrets.get(variable, "")}
            file = self.file.with_name(OPENCODE_FILE)
            wanted.append(environment_file(file, OPENCODE_HEADER, held, {variable}))
        return [one for one in wanted if one.changes]

    def shown(self) -> str:
        """Return the settings file's text, which holds no secret, and the names of the secrets."""
        names = "".join(f"# {SECRETS_FILE}: {name}=(hidden)\n" for name in sorted(self._secrets))
        return f"{self._toml()}\n{names}"

    def write(self, at: datetime) -> list[Path]:
        """Write what has changed, all of it or nothing; return the backups of what was there."""
        return write_all(self.planned(), at)

    def _take_secrets_out(self) -> None:
        """Move secrets that stand in the settings file into the file that is for them."""
        for entry in self._known.values():
            *tables, name = entry.key.split(".")
            table = self._table(tables) if entry.secret else None
            if table is not None and isinstance(table.get(name), str):
                self._secrets.setdefault(entry.env, str(table.pop(name)))

    def _table(self, tables: list[str]) -> MutableMapping[str, object] | None:
        table: object = self._document
        for step in tables:
            table = table.get(step) if isinstance(table, MutableMapping) else None
        return table if isinstance(table, MutableMapping) else None

    def _prune(self, tables: list[str]) -> None:
        """Take out tables in which nothing is left, not even a comment."""
        for length in range(len(tables), 0, -1):
            *above, name = tables[:length]
            table, outer = self._table(tables[:length]), self._table(above)
            if not isinstance(table, Table) or table.as_string().strip() or outer is None:
                return
            del outer[name]

    def _toml(self) -> str:
        text = tomlkit.dumps(self._document)
        if self._heard is None:
            return text
        line = f"{HEARD}{self._heard}\n" if self._heard else ""
        return line + re.sub(rf"(?m)^{HEARD}.*\n?", "", text)

    def _env(self) -> Planned:
        ours = {entry.env for entry in self._known.values() if entry.secret}
        return environment_file(self.secrets_file, SECRETS_HEADER, self._secrets, ours)


def typed(key: str, raw: object, given: Mapping[str, str] = NOTHING) -> object:
    """Return a value as the settings file writes it, if the settings take it.

    ``raw`` is what a person typed, or a variable holds: ``given`` are the keys of which that is
    true. Raises ``SettingsError`` with the reason.
    """
    nested: object = raw
    for step in reversed(key.split(".")):
        nested = {step: nested}
    try:
        value: object = Settings.model_validate(nested)
    except ValidationError as exc:
        problems = list(explain(exc, catalogue(), given))
        raise SettingsError(problems) from None  # the cause could show what a secret holds
    return _held(value, key)


def is_default(key: str, value: object) -> bool:
    """Tell whether a value is what holds without the key."""
    return not key.startswith("projects.") and _held(Settings(), key) == value


def refusal(key: str, raw: str) -> str:
    """Say why the settings would not take ``raw`` for a key; empty when they would."""
    try:
        typed(key, raw)
    except SettingsError as exc:
        problem = exc.problems[0]
        return f"That {problem.problem}. Wanted: {problem.shape}."
    return ""


def known_key(key: str) -> Entry | None:
    """Return the setting of that name; that of a project's folder holds any project's name."""
    steps = key.split(".")
    if steps[0] == "projects" and len(steps) == len(FAMILY) + 1:
        key = ".".join((steps[0], *FAMILY))
    return next((entry for entry in catalogue() if entry.key == key), None)


def _new() -> TOMLDocument:
    document = tomlkit.document()
    for line in HEADER:
        document.add(tomlkit.comment(line))
    return document


def _held(value: object, key: str) -> object:
    for step in key.split("."):
        value = value[step] if isinstance(value, dict) else getattr(value, step)
    return _plain(value)


def _plain(value: object) -> object:
    """Return a value of the settings as TOML has it."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    dump: Callable[[], object] | None = getattr(value, "model_dump", None)
    return value if dump is None else dump()
