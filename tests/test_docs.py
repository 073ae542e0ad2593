"""The documentation says what the code does: names, routes, metrics, links and examples."""

import functools
import importlib
import re
import shlex
import tomllib
from typing import get_args, get_type_hints

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from bot.__main__ import _parser
from bot.doctor.checks import GROUPS
from bot.metrics import Metrics
from bot.sandbox.standin import StandIn
from bot.sandbox.view import Cast
from bot.sandbox.web import Page
from bot.texts.turns import Outcome
from bot.turns.running import Why
from commands import COMMANDS
from config.settings import catalogue, load_settings
from handlers.admin import Admin
from handlers.health import Health
from handlers.viewer.api import Api
from handlers.viewer.pages import Pages
from handlers.wecom import callback
from handlers.wecom.app import app_callback
from handlers.wecom.door import Door
from store.copying import RESTORED
from store.edges import Edge
from store.records import DeliveryState, InboundRecord, TurnState
from tests.pages import (
    HEADING,
    LINK,
    REFERENCE,
    ROOT,
    SPAN,
    anchors_of,
    blocks_of,
    prose_of,
    rows_of,
    text_of,
    words_of,
)
from tests.source_facts import LEVELS, calls_of, log_events, loggers, missing_proofs

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
PLACEHOLDER = re.compile(r"\{(\w+):(?:[^{}]|\{[^{}]*\})+\}")
# OpenCode's own variables, which a server's configuration and data are found by.
OPENCODES = {
    f"OPENCODE_{name}" for name in ("CONFIG", "CONFIG_CONTENT", "CONFIG_DIR", "DB", "PERMISSION")
}
VARIABLE = re.compile(r"\b(?:BOT|WECOM|OPENCODE)_[A-Z][A-Z_]+\b")
# At the beginning of a command; among names of packages it is one of them.
MAKE = re.compile(r"(?:^[ \t]*|`|[;&] |[A-Z]+=\S+ )make ([a-z]+)", re.MULTILINE)
REST = "/sandbox/{rest}"  # answers whatever else is asked for there with 404
OURS = ("bot", "handlers", "commands", "store", "config", "tests", "docs")
MADE_BY_HAND = {"config/bot.toml"}
ENDINGS = {
    "db",
    "json",
    "jsonc",
    "key",
    "lock",
    "log",
    "md",
    "toml",
    "token",
}  # of files, not of settings
# Words with a slash in front that are neither commands of ours nor routes.
OTHERS = {"config", "init", "proc"}

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


# Log events.


def test_every_log_event_is_described_with_its_levels_and_fields():
    rows = rows_of(REFERENCE / "log-events.md", 4)
    described = {
        name.strip("`"): (words_of(levels), words_of(fields)) for name, levels, fields, _ in rows
    }
    assert described == {name: (event.levels, event.fields) for name, event in log_events().items()}
    assert len(rows) == len(described), "each event stands once"


def test_every_log_event_is_explained():
    assert [row[0] for row in rows_of(REFERENCE / "log-events.md", 4) if not row[3]] == []


def test_a_log_event_is_named_by_a_noun_and_what_became_of_it():
    shape = re.compile(r"[a-z]+\.[a-z]+(_[a-z]+)*")
    assert [name for name in log_events() if not shape.fullmatch(name)] == []


def test_every_logger_is_called_log_so_that_no_event_is_missed():
    assert loggers() == {"log"}


def test_levels_are_those_that_the_page_may_name():
    assert set().union(*(event.levels for event in log_events().values())) <= set(LEVELS)


# Routes.


def door(path):
    """Return a callback's way in that leads nowhere."""
    ways = dict.fromkeys(("unwrap", "parse", "answer", "store", "clock"))
    return Door("", path, None, **ways)


@functools.cache
def mounted():
    """Return every route that the code defines, as the page writes it."""
    standin = StandIn("http://127.0.0.1:1/wecom/bot", "token", "k" * 43, "bot", "Bot", "http://h")
    edges = (
        *(object.__new__(kind) for kind in (Health, Admin, Pages, Api)),
        *(door(path) for path in (callback.PATH, app_callback.PATH)),
        Page(standin, Cast((), (), demo_model=True), "token"),
        standin,
    )
    routes = [(route.method, route.path) for edge in edges for route in edge.routes]
    return {f"{method} {_plain(path)}" for method, path in routes}


def _plain(path):
    """Return a path without the expressions of its placeholders."""
    return PLACEHOLDER.sub(r"{\1}", path)


def test_every_route_is_described():
    described = [row[0].strip("`") for row in rows_of(REFERENCE / "http.md", 3)]
    assert sorted(described) == sorted(mounted() - {f"* {REST}"})


def test_no_route_is_defined_where_the_page_does_not_look():
    defined = {path for path, _ in calls_of("web", ("get", "post", "put", "delete", "route"))}
    assert defined == {
        "handlers/admin/__init__.py",
        "handlers/health.py",
        "handlers/viewer/api.py",
        "handlers/viewer/pages.py",
        "handlers/wecom/door.py",
        "bot/sandbox/corp_api.py",
        "bot/sandbox/standin.py",
        "bot/sandbox/web.py",
    }


# Edges, outcomes and states.


def named_in(title):
    """Return what the tables below a heading of the page on turns name."""
    section = text_of(REFERENCE / "turns.md").partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)


def test_every_edge_of_a_turn_is_explained():
    # The first two are columns of the message and the turn, told like edges.
    assert sorted(named_in("Edges")) == sorted({"received", "stored", *get_args(Edge)})


def test_every_way_a_turn_can_end_is_explained():
    ours = {"refused", "internal", RESTORED}
    assert sorted(named_in("Outcomes")) == sorted({*get_args(Outcome), *get_args(Why), *ours})


def test_every_state_of_a_turn_a_delivery_and_an_address_is_explained():
    assert named_in("States") == list(get_args(TurnState))
    ways = ["bubble", "url", "connection", "app", "contact", "result"]
    assert sorted(named_in("Deliveries")) == sorted([*get_args(DeliveryState), *ways])
    addresses = get_args(get_type_hints(InboundRecord)["reply_url_state"])
    assert named_in("Addresses") == list(addresses)


# Metrics.


def test_every_metric_is_described_with_its_type_and_label():
    metrics = Metrics(lambda: {"message": 1}, lambda: {"answered": 1})
    metrics.deliveries.labels("due").set(1)
    metrics.tripped.labels("loop").set(1)
    metrics.channel_up.labels("wecom.bot").set(1)
    metrics.lag.labels("max").set(1)
    exposed = {}
    for family in text_string_to_metric_families(generate_latest(metrics.registry).decode()):
        for sample in family.samples:
            exposed[sample.name] = (family.type, set(sample.labels))
    rows = rows_of(REFERENCE / "metrics.md", 4)
    assert {name.strip("`"): (kind, words_of(label)) for name, kind, label, _ in rows} == exposed


# Links and names.


@every_page
def test_relative_links_lead_somewhere(page):
    for target in LINK.findall(prose_of(page)):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), target
        assert not anchor or anchor in anchors_of(found), target


@every_page
def test_files_and_modules_that_are_named_exist(page):
    for span in SPAN.findall(prose_of(page)):
        if re.fullmatch(rf"(?:{'|'.join(OURS)})/[\w./-]*", span) and span not in MADE_BY_HAND:
            assert (ROOT / span).exists(), span
        if re.fullmatch(r"(?:bot|config|handlers|store)(?:\.[a-z_]\w*)+\.[A-Za-z_]\w+", span):
            assert span.rpartition(".")[2] in ENDINGS or importable(span), span


def importable(name):
    module, _, member = name.rpartition(".")
    try:
        return hasattr(importlib.import_module(module), member)
    except ImportError:
        return False


@every_page
def test_variables_that_are_named_are_those_of_the_settings(page):
    known = {"BOT_CONFIG"} | OPENCODES | {entry.env for entry in catalogue()}
    known |= {f"{entry.env}_FILE" for entry in catalogue() if entry.secret}
    assert set(VARIABLE.findall(text_of(page))) - known == set()


@every_page
def test_settings_that_are_named_exist(page):
    keys = {entry.key for entry in catalogue()}
    checks = {check.name for group in GROUPS for check in group.checks}
    for span in SPAN.findall(prose_of(page)):
        name = span.split(" ")[0]
        if is_dotted(name) and name.split(".")[0] in {key.split(".")[0] for key in keys}:
            assert name in keys | log_events().keys() | checks, span


def is_dotted(name):
    """Tell whether a word may name a setting or a log event, and no file."""
    ending = name.rpartition(".")[2]
    return re.fullmatch(r"[a-z]+(\.[a-z_]+)+", name) and ending not in ENDINGS


@every_page
def test_commands_that_are_named_exist(page):
    words = {word for command in COMMANDS for word in (command.name, *command.alias)}
    routes = {path.strip("/").split("/")[0] for path in (one.split(" ")[1] for one in mounted())}
    for span in SPAN.findall(prose_of(page)):
        first = span.split(" ")[0].split("\\")[0]
        if re.fullmatch(r"/\w+", first):
            assert first[1:].lower() in words | routes | OTHERS, span


@every_page
def test_make_targets_that_are_named_exist(page):
    targets = set(re.findall(r"^([a-z]+):", text_of(ROOT / "Makefile"), re.MULTILINE))
    assert set(MAKE.findall("\n".join(code_of(page)))) - targets == set()


def code_of(page):
    shell = [block.replace("$ ", "") for block in blocks_of(page, "sh", "console")]
    return [*shell, *(f"`{span}`" for span in SPAN.findall(prose_of(page)))]


@every_page
def test_command_lines_that_are_shown_are_understood(page):
    for code in code_of(page):
        for line in re.findall(r"python -m bot([^`\n#…]*)", code):
            words = [word for word in shlex.split(line) if "=" not in word]
            assert _parser().parse_args(words)


@every_page
def test_examples_of_settings_can_be_loaded(page, tmp_path):
    for number, example in enumerate(blocks_of(page, "toml")):
        path = tmp_path / f"{number}.toml"
        path.write_text(example.replace("/srv/shop", str(tmp_path)), encoding="utf-8")
        assert tomllib.loads(path.read_text(encoding="utf-8"))
        load_settings(path, {})


def test_every_page_of_the_documentation_can_be_found_from_its_index():
    index = ROOT / "docs" / "index.md"
    seen, pending = set(), [index]
    while pending:
        page = pending.pop()
        if page not in seen:
            seen.add(page)
            targets = {target.partition("#")[0] for target in LINK.findall(prose_of(page))}
            found = {(page.parent / target).resolve() for target in targets if "://" not in target}
            folders = {path / "README.md" for path in found if path.is_dir()}
            pending += [path for path in found | folders if path.suffix == ".md" and path.exists()]
    assert set((ROOT / "docs").rglob("*.md")) <= seen


PROMISES = ROOT / "docs" / "explanation" / "invariants.md"
PROOF = re.compile(r"^\| (.+) \| `([\w/]+\.py)::(\w+)` \|$", re.MULTILINE)


def test_each_sentence_of_a_promise_names_a_test_that_is_there():
    text = text_of(PROMISES)
    proofs = PROOF.findall(text)
    rows = [line for line in text.splitlines() if line.startswith("| ") and "Test |" not in line]
    assert len(proofs) == len(rows) > 30
    assert missing_proofs((file, name) for _, file, name in proofs) == []


def test_each_invariant_has_its_section():
    found = [title.split()[0] for title in HEADING.findall(text_of(PROMISES))[1:]]
    assert found == [f"I{number}" for number in range(1, 9)]
