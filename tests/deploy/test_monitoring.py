"""The dashboard and the alert rules: understood by their programs, and about metrics that exist."""

import json
import re
import shutil
from itertools import combinations
from pathlib import Path
from typing import get_args

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML

from bot.metrics import Metrics
from bot.texts.caretakers import TROUBLES
from bot.texts.turns import Outcome
from bot.turns.running import Why
from store.records import DeliveryState

ROOT = Path(__file__).parents[2]
DASHBOARD = ROOT / "config/grafana/opencode-wecom.json"
PROMETHEUS = ROOT / "config/prometheus"
CASES = Path(__file__).parent / "alerts_test.yml"
METRIC = re.compile(r"\bbot_\w+")
PACKAGE = "prometheus"
# What Grafana puts in before it asks.
CHOSEN = {"$__rate_interval": "5m", "$instance": ".*"}


def board():
    return json.loads(DASHBOARD.read_text(encoding="utf-8"))


def panels():
    return [panel for panel in board()["panels"] if panel["type"] != "row"]


def board_queries():
    found = [target["expr"] for panel in panels() for target in panel["targets"]]
    for name, value in CHOSEN.items():
        found = [query.replace(name, value) for query in found]
    return found


def rules():
    file = YAML(typ="safe").load(PROMETHEUS / "alerts.yml")
    return [rule for group in file["groups"] for rule in group["rules"]]


def exposed():
    """Return the names of all that /metrics shows, with the labels of each."""
    metrics = Metrics(lambda: {"message": 1}, lambda: {"answered": 1})
    metrics.deliveries.labels("due").set(1)
    metrics.tripped.labels("loop").set(1)
    metrics.channel_up.labels("wecom.bot").set(1)
    metrics.lag.labels("max").set(1)
    text = generate_latest(metrics.registry).decode()
    return {
        sample.name: set(sample.labels)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


# What is asked for is there.


def queries():
    return [*board_queries(), *(rule["expr"] for rule in rules())]


def test_every_metric_that_is_asked_for_exists():
    assert {name for query in queries() for name in METRIC.findall(query)} <= exposed().keys()


def test_every_metric_is_shown_on_the_dashboard():
    shown = {name for query in board_queries() for name in METRIC.findall(query)}
    assert exposed().keys() - shown == set()


def test_every_label_that_is_asked_for_is_one_of_its_metric():
    known = exposed()
    for query in queries():
        for name, chosen in re.findall(r"\b(bot_\w+)\{([^}]*)\}", query):
            assert set(re.findall(r"(\w+)[=!]", chosen)) - known[name] <= {"instance"}, query
        for labels in re.findall(r"by \(([^)]*)\)", query):
            names = {label for name in METRIC.findall(query) for label in known[name]}
            assert set(labels.split(", ")) <= names | {"instance"}, query


def test_every_value_of_a_label_that_is_asked_for_is_one_that_occurs():
    values = {
        "state": set(get_args(DeliveryState)),
        "outcome": {*get_args(Outcome), *get_args(Why), "internal", "refused signature"},
        "of": {"p50", "max"},
        "job": {"opencode-wecom"},
        "watchdog": set(TROUBLES),
    }
    for query in queries():
        for label, value in re.findall(r'(\w+)(?:=|!=|=~)"([^"]*)"', query):
            if label != "instance":
                assert set(value.split("|")) <= values[label], query


def test_the_signature_alert_asks_for_the_reason_that_is_logged():
    log_events = (ROOT / "docs/reference/log-events.md").read_text(encoding="utf-8")
    assert "`signature`" in log_events


# The rules.


def test_prometheus_understands_the_rules(judge):
    code, words = judge("promtool", "check", "rules", PROMETHEUS / "alerts.yml", package=PACKAGE)
    assert code == 0, words
    assert f"{len(rules())} rules found" in words


def test_the_rules_ring_when_they_should_and_not_before(judge, tmp_path):
    shutil.copy(PROMETHEUS / "alerts.yml", tmp_path)
    shutil.copy(CASES, tmp_path)
    code, words = judge("promtool", "test", "rules", CASES.name, package=PACKAGE, folder=tmp_path)
    assert code == 0, words


def test_the_example_of_scraping_is_a_configuration(judge, tmp_path):
    shutil.copy(PROMETHEUS / "alerts.yml", tmp_path)
    shutil.copy(PROMETHEUS / "scrape.example.yml", tmp_path)
    file = tmp_path / "scrape.example.yml"
    code, words = judge("promtool", "check", "config", file, package=PACKAGE)
    assert code == 0, words


def test_every_rule_says_how_bad_it_is_and_what_to_do():
    for rule in rules():
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"].endswith((".", "causes", "opencode-wecom"))


# The dashboard.


@pytest.fixture(scope="module")
def grafana():
    """Read and write a dashboard as Grafana's own models do."""
    register_default_plugins()

    def through(value):
        return json.loads(JSONEncoder().encode(Dashboard.from_json(value)))

    return through


def lost(mine, theirs, where=""):
    """Return what Grafana's models did not know, and therefore left out."""
    if isinstance(mine, dict) and isinstance(theirs, dict):
        return [
            path
            for key, value in mine.items()
            for path in lost(value, theirs.get(key), f"{where}.{key}")
        ]
    if isinstance(mine, list) and isinstance(theirs, list) and len(mine) == len(theirs):
        pairs = zip(mine, theirs, strict=True)
        return [path for n, (a, b) in enumerate(pairs) for path in lost(a, b, f"{where}[{n}]")]
    return [] if mine == theirs else [where]


def test_grafana_knows_every_word_of_the_dashboard(grafana):
    assert lost(board(), grafana(board())) == []


def test_a_word_that_grafana_does_not_know_is_found(grafana):
    wrong = board()
    wrong["panels"][1]["fieldConfig"]["defaults"]["unitt"] = "s"
    assert lost(wrong, grafana(wrong)) == [".panels[1].fieldConfig.defaults.unitt"]


def test_prometheus_understands_every_query_of_the_dashboard(judge, tmp_path):
    made = [{"record": f"q{n}", "expr": query} for n, query in enumerate(board_queries())]
    file = tmp_path / "queries.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": made}]}))
    code, words = judge("promtool", "check", "rules", file, package=PACKAGE)
    assert code == 0, words


def test_panels_have_numbers_of_their_own_and_lie_side_by_side():
    every = board()["panels"]
    assert len({panel["id"] for panel in every}) == len(every)
    for one, other in combinations([panel["gridPos"] for panel in every], 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in every)


def test_every_panel_says_what_it_shows():
    assert [panel["title"] for panel in panels() if not panel["description"].endswith(".")] == []
