"""The example file and the page of the settings describe exactly the settings there are."""

import re
import tomllib
from pathlib import Path

import pytest

from config.settings import catalogue, load_settings

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "config" / "bot.example.toml"
PAGE = ROOT / "docs" / "reference" / "settings.md"
COMMENTED = re.compile(r"^# (\[[\w.]+\]|\w+ = .+)$", re.MULTILINE)


def flat(table, prefix=""):
    for name, value in table.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def test_the_example_shows_every_key_and_no_other():
    shown = tomllib.loads("\n".join(_example_lines()))
    assert {key for key, _ in flat(shown)} == {entry.key for entry in catalogue()}


@pytest.mark.parametrize("bot", ["callback", "connection"])
def test_the_example_is_a_configuration_with_one_channel_of_the_bot(tmp_path, bot):
    text = "\n".join(_example_lines()).replace("/srv/shop", str(tmp_path))
    head, table, rest = text.partition("[wecom.bot]\n")
    here, app, rest = rest.partition("[wecom.app]\n")
    other = r"^secret = .*\n" if bot == "callback" else r"^(?:token|aes_key) = .*\n"
    here = re.sub(other, "", here, flags=re.MULTILINE)
    path = tmp_path / "bot.toml"
    path.write_text(f"{head}{table}{here}{app}{rest}", encoding="utf-8")
    wecom = load_settings(path, {}).wecom
    assert (wecom.bot.on, wecom.bot.connects) == (bot == "callback", bot == "connection")
    assert wecom.app.on
    assert wecom.webhook.key is not None


def test_the_example_as_it_is_sets_nothing():
    assert load_settings(EXAMPLE, {}) == load_settings(None, {})


def test_the_example_names_every_variable():
    text = EXAMPLE.read_text(encoding="utf-8")
    assert [entry.env for entry in catalogue() if entry.env not in text] == []


def test_the_example_shows_the_defaults():
    shown = dict(flat(tomllib.loads("\n".join(_example_lines()))))
    for entry in catalogue():
        default = entry.default
        if " " not in default and default not in {"none", "required"}:
            assert str(shown[entry.key]) == default, entry.key


def _example_lines():
    """Return the example as it is when every key is taken out of its comment."""
    text = COMMENTED.sub(r"\1", EXAMPLE.read_text(encoding="utf-8"))
    return [line for line in text.splitlines() if not line.startswith("#")]


def test_the_page_describes_every_setting_and_no_other():
    rows = [
        [cell.strip() for cell in line.strip("| ").split(" | ")]
        for line in PAGE.read_text(encoding="utf-8").splitlines()
        if line.startswith("| `")
    ]
    described = {
        key.strip("`"): (env.strip("`"), default.strip("`"), shape, purpose)
        for key, env, default, shape, purpose in rows
    }
    assert described == {
        entry.key: (entry.env or "–", entry.default, entry.shape, entry.purpose)
        for entry in catalogue()
    }


def test_variables_are_named_as_deployments_know_them():
    named = {entry.key: entry.env for entry in catalogue()}
    assert named["server.host"] == "BOT_HOST"
    assert named["store.url"] == "BOT_DATABASE_URL"
    assert named["wecom.bot.aes_key"] == "WECOM_BOT_AES_KEY"
    assert named["wecom.bot.secret"] == "WECOM_BOT_SECRET"
    assert named["wecom.app.corp_id"] == "WECOM_CORP_ID"
    assert named["wecom.app.secret"] == "WECOM_SECRET"
    assert named["opencode.follow"] == "OPENCODE_FOLLOW"
    assert named["opencode.permission"] == "BOT_OPENCODE_PERMISSION"
    assert named["chat.queue_limit"] == "BOT_CHAT_QUEUE_LIMIT"
    assert len(set(named.values())) == len(named)
