"""Where settings come from: one TOML file, a file of secrets beside it, and the environment above."""

import contextlib
import shlex
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from config.keys import Entry
from config.problems import Problem, nearest

DEFAULT_FILE = Path("config", "bot.toml")
SECRETS_FILE = "opencode-wecom.env"
OPENCODE_FILE = "opencode.env"  # beside it: of OpenCode's own unit
FILE_VARIABLE = "BOT_CONFIG"
PREFIXES = ("BOT_", "WECOM_")
FROM_FILE = "_FILE"


def find_config(environ: Mapping[str, str]) -> Path | None:
    """Return the settings file: what ``BOT_CONFIG`` names, else ``config/bot.toml`` if it is there."""
    named = environ.get(FILE_VARIABLE)
    if named:
        return Path(named)
    return DEFAULT_FILE if DEFAULT_FILE.exists() else None


def is_configured(environ: Mapping[str, str]) -> bool:
    """Tell whether someone has configured a real service: by a file, or by a ``WECOM_`` variable."""
    named = any(name.startswith("WECOM_") and value for name, value in environ.items())
    return named or find_config(environ) is not None


def read_file(path: Path | None) -> tuple[dict[str, object], list[Problem]]:
    """Return the tables of ``path``, and what is wrong with it as a file."""
    if path is None:
        return {}, []
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")), []
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        where = str(exc) if isinstance(exc, tomllib.TOMLDecodeError) else "it is not UTF-8"
        return {}, [_unreadable(path, f"is no TOML: {where}", "mend that line")]
    except OSError as exc:
        return {}, [_unreadable(path, f"cannot be read: {exc.strerror}", "name a file that exists")]


def secrets_beside(path: Path | None) -> Path | None:
    """Return the file of secrets that belongs to a settings file, if it is there.

    Where we may not look, the settings file cannot be read either: that is said of it.
    """
    beside = path.with_name(SECRETS_FILE) if path is not None else None
    with contextlib.suppress(OSError):
        if beside is not None and beside.exists():
            return beside
    return None


def read_secrets(
    path: Path | None, environ: Mapping[str, str], known: Sequence[Entry]
) -> tuple[dict[str, str], list[Problem]]:
    """Return what a file of secrets gives to keys: lines ``VARIABLE=value``, as systemd reads them.

    Other programs' variables may stand there as well, and are not looked at. Where systemd has
    read the file it may be root's alone: what it holds is in the environment then.
    """
    if path is None:
        return {}, []
    keys = {entry.env: entry.key for entry in known if entry.secret}
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        if isinstance(exc, PermissionError) and any(environ.get(name) for name in keys):
            return {}, []
        why = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8"
        return {}, [_bad_secrets(path, f"cannot be read: {why}")]
    given: dict[str, str] = {}
    problems: list[Problem] = []
    for number, line in enumerate(text.splitlines(), 1):
        name, value = _assignment(line)
        ours = name in keys or name.startswith(PREFIXES)
        if ours and (value is None or name not in keys):
            problems.append(_bad_secrets(path, f"line {number} is no `VARIABLE=value` of a secret"))
        elif value and name in keys:
            given[keys[name]] = value
    return given, problems


def read_environment(
    environ: Mapping[str, str], known: Sequence[Entry]
) -> tuple[dict[str, str], list[Problem]]:
    """Return the values that variables give to keys, and the variables that cannot be meant."""
    given: dict[str, str] = {}
    problems: list[Problem] = []
    names = {FILE_VARIABLE}
    for entry in known:
        if not entry.env:
            continue
        names |= {entry.env, entry.env + FROM_FILE} if entry.secret else {entry.env}
        try:
            value = _value(entry, environ)
        except ValueError as exc:
            problems.append(_unusable(entry, str(exc)))
        else:
            if value:
                given[entry.key] = value
    problems += [_unknown(name, names) for name in sorted(environ) if _stray(name, environ, names)]
    return given, problems


def overlay(values: dict[str, object], given: Mapping[str, str]) -> None:
    """Put what the environment gives over what the file says."""
    for key, value in given.items():
        *tables, name = key.split(".")
        table: object = values
        for step in tables:
            table = table.setdefault(step, {}) if isinstance(table, dict) else None
        if isinstance(
            table, dict
        ):  # else the file has a value in the table's place: its own mistake
            table[name] = value


def _assignment(line: str) -> tuple[str, str | None]:
    """Return the name and the value of a line, unquoted; a value of None cannot be read."""
    if not line.strip() or line.lstrip().startswith(("#", ";")):
        return "", ""
    name, sign, quoted = line.strip().partition("=")
    name = name.strip()
    try:
        words = shlex.split(quoted)
    except ValueError:  # a quotation mark that is never closed
        return name, None
    return name, "".join(words) if sign and len(words) <= 1 else None


def _value(entry: Entry, environ: Mapping[str, str]) -> str:
    value = environ.get(entry.env, "")
    named = environ.get(entry.env + FROM_FILE, "") if entry.secret else ""
    if not named:
        return value
    if value:
        raise ValueError(f"is set twice, by {entry.env} and by {entry.env}{FROM_FILE}")
    try:
        return Path(named).read_text(encoding="utf-8").strip()
    except OSError as exc:
        raise ValueError(f"the file cannot be read: {exc.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError("the file holds no text") from None


def _stray(name: str, environ: Mapping[str, str], names: set[str]) -> bool:
    return name.startswith(PREFIXES) and name not in names and bool(environ[name])


def _unreadable(path: Path, problem: str, mend: str) -> Problem:
    return Problem(str(path), FILE_VARIABLE, problem, "a TOML file", mend)


def _bad_secrets(path: Path, problem: str) -> Problem:
    shape = "a file with one `VARIABLE=value` a line"
    return Problem(str(path), "", problem, shape, "mend that, or run `python -m bot setup` again")


def _unusable(entry: Entry, problem: str) -> Problem:
    env = entry.env + FROM_FILE
    return Problem(
        entry.key,
        env,
        problem,
        entry.shape,
        f"name a readable file in {env}, or set {entry.env} alone",
    )


def _unknown(name: str, names: set[str]) -> Problem:
    meant = nearest(name, names)
    mend = f"did you mean {meant}? Else unset it" if meant else "unset it"
    return Problem(
        "", name, "is no variable of this service", "a name from the list of settings", mend
    )
