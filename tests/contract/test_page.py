"""The page of versions: what it says is what was run, and what the code relies on."""

import re
from datetime import date

from bot.contract.__main__ import PAGE, VERSIONS
from bot.contract.page import DIFFERENCES, FAILED, HELD, Run, behaviours, page, rows
from bot.contract.prove import START, Outcome
from bot.opencode.capabilities import Capabilities, number_of
from bot.opencode.probe import NEWEST, OLDEST, proved

DAY = date(2026, 1, 31)
TEXT = PAGE.read_text()


def table(title):
    """Return a table of the page: row -> version -> cell."""
    lines = TEXT.partition(f"## {title}\n")[2].partition("\n## ")[0].splitlines()
    head, _, *body = [_cells(line) for line in lines if line.startswith("|")]
    versions = [cell.strip("()") for cell in head[1:]]
    return {row[0].strip("`"): dict(zip(versions, row[1:], strict=True)) for row in body}


def _cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_page_has_every_behaviour_and_says_what_it_means():
    assert list(table("Behaviours")) == list(rows())
    for name, words in rows().items():
        assert f"* `{name}`: {words}\n" in TEXT


def test_every_release_of_the_page_within_the_proved_range_holds_whole():
    cells = table("Behaviours")
    for version in VERSIONS:
        if proved(version):
            assert {row[version] for row in cells.values()} == {HELD}, version


def test_the_ends_of_the_proved_range_were_run():
    run = list(next(iter(table("Behaviours").values())))
    assert run == sorted(VERSIONS, key=number_of)
    assert {OLDEST, NEWEST} <= set(run)
    assert f"The proved range is **{OLDEST} to {NEWEST}**." in TEXT


def test_the_range_does_not_reach_down_to_a_release_that_failed():
    for version, cell in table("Behaviours")[START].items():
        assert cell in {HELD, FAILED}
        if not proved(version):
            assert f"({version})" in TEXT


def test_the_capabilities_of_the_page_are_those_that_the_code_knows():
    cells = table("What the client knows")
    assert list(cells) == list(DIFFERENCES) == list(Capabilities().facts())
    for version in VERSIONS:
        known = Capabilities.of(version).facts()
        assert {name: row[version] == "yes" for name, row in cells.items()} == known


def test_the_page_has_the_day_of_its_run():
    day = re.search(r"by `make contract` on (\d{4}-\d\d-\d\d);", TEXT)
    assert day
    assert date.fromisoformat(day[1])


def run_of(version, *, held):
    outcomes = tuple(
        Outcome(name, held or name != "retry", "" if held else "nobody tried again")
        for name in rows()
    )
    return Run(version, outcomes, Capabilities.of(version), 30.0)


def test_what_did_not_hold_is_marked_and_said_in_words():
    text = page([run_of("1.1.65", held=False), run_of("1.18.33", held=True)], DAY)
    assert "| | (1.1.65) | 1.18.33 |" in text
    assert "| `retry` | **no** | yes |" in text
    assert "* 1.1.65, `retry`: nobody tried again." in text
    assert "on 2026-01-31;" in text


def test_what_was_not_run_is_no_yes():
    run = Run("1.18.33", (Outcome(START, held=False, words="no"),), Capabilities(), 1.0)
    assert "| `plain` | – |" in behaviours([run])
    assert not run.whole


def test_the_page_names_no_folder_of_a_machine_and_no_ids():
    assert not re.search(r"/(tmp|home|work|root|var)/|(ses|msg|per|que)_[0-9a-zA-Z]", TEXT)
