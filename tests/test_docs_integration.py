"""The integration notes name modules that are there, and tests that prove them."""

import re

from tests.pages import ROOT, text_of
from tests.source_facts import missing_proofs

NOTES = ROOT / "docs" / "explanation" / "integration.md"
NOTE = re.compile(r"^\| (.+) \| `([\w/]+\.py)` \| `([\w/]+\.py)::(\w+)` \|$", re.MULTILINE)
SECTION = re.compile(r"^## (K\d+) .+\n((?:(?!## ).*\n)*)", re.MULTILINE)
HEADS = ("| What we do |", "|---|")
# What OpenCode calls its own files, and who may know them: evidence and upgrades need them.
STORAGE = re.compile(r"opencode\.db\b|session_diff|storage/session|tool-output")
DAILY = ("bot", "commands", "config", "handlers", "store")
NOT_DAILY = ("bot/doctor/", "bot/upgrade/", "bot/contract/")


def sections():
    return SECTION.findall(text_of(NOTES))


def test_each_note_has_its_section_with_the_caveat_and_proofs():
    assert [name for name, _ in sections()] == [f"K{number}" for number in range(1, 16)]
    for name, section in sections():
        caveat = section.partition("\n|")[0]
        assert len(caveat.split()) > 20, name
        assert NOTE.search(section), name


def test_each_line_of_a_note_names_a_module_and_a_test_that_are_there():
    text = text_of(NOTES)
    notes = NOTE.findall(text)
    rows = [
        line for line in text.splitlines() if line.startswith("|") and not line.startswith(HEADS)
    ]
    assert len(notes) == len(rows) > 50
    assert [module for _, module, _, _ in notes if not (ROOT / module).is_file()] == []
    assert missing_proofs((file, test) for _, _, file, test in notes) == []


def test_daily_work_knows_nothing_of_opencodes_storage():
    files = sorted(path for folder in DAILY for path in (ROOT / folder).rglob("*.py"))
    names = [path.relative_to(ROOT).as_posix() for path in files if STORAGE.search(text_of(path))]
    assert [name for name in names if not name.startswith(NOT_DAILY)] == []
