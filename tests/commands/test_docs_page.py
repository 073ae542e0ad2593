"""The reference page of the commands says what the code does."""

import re
from pathlib import Path

from bot.texts.about import TOPICS
from commands import COMMANDS

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "commands.md"
HEADING = re.compile(r"^### /([\w!]+)\n\n(.*)$", re.MULTILINE)
TOPIC = re.compile(r"^## (.+)$", re.MULTILINE)


def test_each_command_has_a_heading_with_its_usage_and_aliases():
    described = dict(HEADING.findall(PAGE.read_text(encoding="utf-8")))
    expected = {}
    for one in COMMANDS:
        aliases = " ".join(f"`/{alias}`" for alias in one.alias)
        expected[one.name] = f"Usage: `{one.about.usage.en}` · Chinese: {aliases}"
    assert described == expected


def test_the_groups_are_those_of_help_in_its_order():
    titles = [title.lower() for title in TOPIC.findall(PAGE.read_text(encoding="utf-8"))]
    assert titles[2:] == [topic.title.en for topic in TOPICS]


def test_each_command_stands_in_the_group_that_help_shows_it_in():
    text = PAGE.read_text(encoding="utf-8")
    for section in text.split("\n## ")[3:]:
        title = section.splitlines()[0].lower()
        topic = next(topic for topic in TOPICS if topic.title.en == title)
        listed = re.findall(r"^### /([\w!]+)$", section, re.MULTILINE)
        assert listed == [one.name for one in COMMANDS if one.topic is topic]
