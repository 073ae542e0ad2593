"""What is wrong with the settings, in words that let a person mend it. Never shows a value."""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from config.keys import PROJECT, Entry

LIKENESS = 0.6
APP = ("corp_id", "agent_id", "secret", "token", "aes_key")
PAGES = {
    "bot": "the bot's page in WeCom's administration",
    "app": "the application's page in WeCom's administration",
}
SENTENCES = {
    "missing": "is missing",
    "string_type": "is no text",
    "string_too_short": "is empty",
    "int_parsing": "is no whole number",
    "int_type": "is no whole number",
    "int_from_float": "is no whole number",
    "tuple_type": "is no list",
    "model_type": "is no table",
    "dict_type": "is no table",
    "path_type": "is no path",
    "literal_error": "is none of the words it can be",
    "greater_than_equal": "is too small",
    "less_than_equal": "is too large",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: where it is, what is wrong, how the value looks when it is right, the mend."""

    key: str
    env: str
    problem: str
    shape: str
    mend: str

    def __str__(self) -> str:
        name = " / ".join(name for name in (self.key, self.env) if name)
        return f"{name}: {self.problem}\n    wanted: {self.shape}\n    mend:   {self.mend}"


class SettingsError(Exception):
    """The settings cannot be used; ``problems`` holds every mistake there is."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        head = "1 setting is wrong" if count == 1 else f"{count} settings are wrong"
        super().__init__("\n".join([head, *(f"  {problem}" for problem in self.problems)]))


def explain(
    error: ValidationError, known: Sequence[Entry], given: Mapping[str, str]
) -> Iterator[Problem]:
    """Yield a problem for each mistake that the models found."""
    for detail in error.errors(include_url=False, include_input=False):
        where = [str(step) for step in detail["loc"]]
        if detail["type"] == "extra_forbidden":
            yield unknown(".".join(where), known)
            continue
        entry = _entry(where, known)
        if entry is None:
            yield _bad_table(".".join(where), _sentence(detail))
        else:
            yield _bad_value(entry, where, _sentence(detail), in_env=entry.key in given)


def unknown(key: str, known: Sequence[Entry]) -> Problem:
    """Return the problem of a key that does not exist."""
    tables = {entry.key.rpartition(".")[0] for entry in known}
    meant = nearest(key, {*(entry.key for entry in known), *tables})
    mend = f"did you mean `{meant}`? Else take it out" if meant else "take it out"
    return Problem(
        key, "", "is no setting of this service", "a key from the list of settings", mend
    )


def half_a_channel(values: Mapping[str, object], known: Sequence[Entry]) -> Iterator[Problem]:
    """Yield a problem for what a channel of WeCom lacks, and when the bot is to have both of its."""
    bot, app = _given(values, "bot"), _given(values, "app")
    yield from _lacking(known, "bot", ("token", "aes_key"), bot & {"token", "aes_key"})
    if "secret" in bot:
        yield from _lacking(known, "bot", ("bot_id", "secret"), bot & {"bot_id", "secret"})
    yield from _lacking(known, "app", APP, app)
    if "secret" in bot and bot & {"token", "aes_key"}:
        yield Problem(
            "wecom.bot.secret, wecom.bot.token, wecom.bot.aes_key",
            "WECOM_BOT_SECRET, WECOM_BOT_TOKEN, WECOM_BOT_AES_KEY",
            "are all set, but WeCom lets a bot use its long connection or its callback, not both",
            "`secret` with `bot_id` for the long connection, or `token` with `aes_key` for the callback",
            "keep what the bot's page in WeCom's administration shows, and take the other out",
        )


def _given(values: Mapping[str, object], table: str) -> set[str]:
    wecom = values.get("wecom")
    found = wecom.get(table) if isinstance(wecom, dict) else None
    return {name for name, value in found.items() if value} if isinstance(found, dict) else set()


def _lacking(
    known: Sequence[Entry], table: str, names: Sequence[str], given: set[str]
) -> Iterator[Problem]:
    """Yield a problem for each of ``names`` that is absent while another one is given."""
    there = next((name for name in names if name in given), "")
    for absent in [name for name in names if there and name not in given]:
        entry = next(entry for entry in known if entry.key == f"wecom.{table}.{absent}")
        problem = f"is missing while wecom.{table}.{there} is set"
        mend = f"copy {' and '.join(names)} from {PAGES[table]}, or take all of them out"
        yield Problem(entry.key, entry.env, problem, entry.shape, mend)


def many_projects(values: Mapping[str, object]) -> Iterator[Problem]:
    """Yield a problem when more projects are given than this version can work in."""
    projects = values.get("projects")
    if isinstance(projects, dict) and len(projects) > 1:
        problem = f"holds {len(projects)} projects; this version works in one"
        shape, mend = "one table, [projects.NAME]", "take out all but one"
        yield Problem("projects", "", problem, shape, mend)


def nearest(name: str, names: Iterable[str]) -> str:
    """Return the one of ``names`` that ``name`` was most likely meant to be, or ''."""
    found = difflib.get_close_matches(name, sorted(names), n=1, cutoff=LIKENESS)
    return found[0] if found else ""


def _entry(where: Sequence[str], known: Sequence[Entry]) -> Entry | None:
    """Return the setting that holds the place of a mistake: itself, or an item of its list."""
    if where[0] == "projects":
        where = [where[0], PROJECT, *where[2:]]
    keys = {".".join(where[:length]) for length in range(1, len(where) + 1)}
    return next((entry for entry in known if entry.key in keys), None)


def _sentence(detail: ErrorDetails) -> str:
    if detail["type"] == "value_error":
        return str(detail["ctx"]["error"])
    return SENTENCES.get(detail["type"], detail["msg"].lower())


def _bad_table(key: str, sentence: str) -> Problem:
    return Problem(key, "", sentence, f"a table, [{key}]", "see config/bot.example.toml")


def _bad_value(entry: Entry, where: Sequence[str], sentence: str, *, in_env: bool) -> Problem:
    name = entry.key.rpartition(".")[2]
    mend = (
        f"correct the variable {entry.env}"
        if in_env
        else f"write, for example, `{name} = {entry.example}`"
    )
    return Problem(".".join(where), entry.env, sentence, entry.shape, mend)
