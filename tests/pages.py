"""The pages of the documentation, as tests read them: prose, blocks, tables, anchors."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "docs" / "reference"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def text_of(page):
    return page.read_text(encoding="utf-8")


def prose_of(page):
    return BLOCK.sub("", text_of(page))


def blocks_of(page, *languages):
    return [code for language, code in BLOCK.findall(text_of(page)) if language in languages]


def rows_of(page, columns):
    """Return the cells of each table row that begins with a code span and has so many columns."""
    lines = [line for line in text_of(page).splitlines() if line.startswith("| `")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in rows if len(row) == columns]


def words_of(cell):
    return {word.strip(" `") for word in cell.split(",")} - {""}


def anchor_of(heading):
    """Return what a link to a heading ends in."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def anchors_of(page):
    return {anchor_of(heading) for heading in HEADING.findall(prose_of(page))}
