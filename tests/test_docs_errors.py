"""Every error code leads to what one sees, what to look at, and a mend that exists."""

import re

from tests.pages import LINK, REFERENCE, ROOT, SPAN, anchor_of, rows_of, text_of

CODE = re.compile(r"\bE-[A-Z]+(?:-[A-Z]+)*\b")
ERRORS = REFERENCE / "errors.md"
TROUBLES = ROOT / "docs" / "howto" / "troubleshoot.md"
ENTRY = re.compile(r"^### (.+)\n((?:(?!##).*\n)*)", re.MULTILINE)
STEP = re.compile(r"^\* \*\*(\w+)\*\* ((?:.*\n)(?:  .*\n)*)", re.MULTILINE)


def codes_of(folder):
    texts = "\n".join(text_of(path) for path in sorted((ROOT / folder).rglob("*.py")))
    return set(CODE.findall(texts))


def entries():
    """Return the steps of each entry by its anchor."""
    return {
        anchor_of(title): STEP.findall(told) for title, told in ENTRY.findall(text_of(TROUBLES))
    }


def test_every_error_code_is_explained_once_and_completely():
    rows = rows_of(ERRORS, 5)
    assert sorted(row[0].strip("`") for row in rows) == sorted(codes_of("bot/texts"))
    assert [row[0] for row in rows if not all(row)] == []


def test_error_codes_are_given_out_by_the_texts_alone():
    assert [codes_of(folder) for folder in ("commands", "handlers", "store", "config")] == [
        set()
    ] * 4
    assert codes_of("bot") == codes_of("bot/texts")


def test_every_error_code_leads_to_an_entry_that_begins_with_it():
    seen = {anchor: steps[0][1] for anchor, steps in entries().items()}
    for code, *_, entry in rows_of(ERRORS, 5):
        (target,) = LINK.findall(entry)
        page, _, anchor = target.partition("#")
        assert (ERRORS.parent / page).resolve() == TROUBLES, code
        assert code.strip("`") in CODE.findall(seen[anchor]), code


def test_troubleshooting_names_no_code_that_nobody_is_given():
    assert set(CODE.findall(text_of(TROUBLES))) == codes_of("bot/texts")


def test_each_entry_says_what_one_sees_where_to_look_and_how_to_mend_it():
    for anchor, steps in entries().items():
        assert [name for name, _ in steps] == ["See", "Look", "Mend"], anchor
        (mend,) = (words for name, words in steps if name == "Mend")
        assert SPAN.search(mend) or LINK.search(mend), anchor


def test_each_entry_has_an_anchor_of_its_own():
    titles = [title for title, _ in ENTRY.findall(text_of(TROUBLES))]
    assert len(titles) == len(entries()) > 20
