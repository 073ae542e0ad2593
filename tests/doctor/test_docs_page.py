"""The reference page of the doctor says what the code does."""

import re

from bot.doctor import bundle, render
from bot.doctor.checks import GROUPS
from bot.doctor.examine import Report
from tests.pages import REFERENCE, rows_of, text_of

PAGE = REFERENCE / "doctor.md"


def test_each_check_stands_under_its_group_with_its_title_in_the_order_of_a_report():
    section = text_of(PAGE).partition("\n## Checks\n")[2]
    described = [
        (
            group.splitlines()[0],
            re.findall(r"^\| `([\w.]+)` \| (.+?) \| .+ \|$", group, re.MULTILINE),
        )
        for group in section.split("\n### ")[1:]
    ]
    assert described == [
        (group.title.en, [(one.name, one.title.en) for one in group.checks]) for group in GROUPS
    ]


def test_each_check_is_named_after_its_group_and_once():
    names = [check.name for group in GROUPS for check in group.checks]
    assert len(names) == len(set(names)) > 50
    for group in GROUPS:
        assert {check.group for check in group.checks} == {group.name}


def test_the_members_of_the_json_are_those_that_are_described():
    told = render.as_json(Report(0, GROUPS, (GROUPS[0].checks[0].fine("seen"),)))
    rows = {row[0].strip("`"): row[1] for row in rows_of(PAGE, 2)}
    assert {name.removesuffix("[]") for name in rows} >= told.keys()
    for member in told["findings"][0]:
        assert f"`{member}`" in rows["findings[]"]


def test_the_files_of_the_archive_are_those_that_are_described():
    described = set(
        re.findall(r"`([\w-]+\.(?:jsonl|json|txt))`", text_of(PAGE).partition("## Archive")[2])
    )
    listed = set(re.findall(r"^(?:[\w.]+, )?([\w.-]+\.jsonl?)", bundle.README, re.MULTILINE))
    assert described >= listed > {"report.json", "settings.json", "log.jsonl"}
