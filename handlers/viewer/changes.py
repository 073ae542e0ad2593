"""Changed files as rows of a page, each with its diff as coloured lines or its picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from bot.files import Files
from bot.render import size_of
from bot.texts import Language, Text
from bot.texts import files as texts
from handlers.viewer.content_types import content_type
from store.records import FileChange

SHOWN_FILES = 200
# Lines of diffs on one page; the diffs beyond it open on their own.
SHOWN_LINES = 3_000
KINDS = {"added": texts.ADDED, "modified": texts.MODIFIED, "deleted": texts.DELETED}
SIGNS = {"+": "add", "-": "del", "@": "hunk", "\\": "note"}
HEAD_LINES = 2  # `---` and `+++`, which the row says already


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a diff; ``kind`` names its colour, empty for none."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """One changed file as the page shows it; ``url`` is empty when it cannot be opened."""

    path: str
    kind: str
    kind_name: str
    size: str
    added: int | None
    removed: int | None
    url: str
    note: str
    is_picture: bool
    diff: tuple[Line, ...] = ()
    no_diff: str = ""
    diff_url: str = ""


async def rows_of(files: Files, changes: Sequence[FileChange], language: Language) -> list[Row]:
    """Return a row for each of the first changes, with diffs while the page stays light."""
    rows = []
    lines_left = SHOWN_LINES
    for change in changes[:SHOWN_FILES]:
        compared = await files.compare(change) if lines_left > 0 else ""
        row = _row(files, change, language, compared)
        lines_left -= len(row.diff)
        rows.append(row)
    return rows


def bare_rows(files: Files, changes: Sequence[FileChange], language: Language) -> list[Row]:
    """Return the rows of a running turn: nothing is compared yet."""
    return [_row(files, change, language, None) for change in changes[:SHOWN_FILES]]


def _row(files: Files, change: FileChange, language: Language, compared: str | Text | None) -> Row:
    """Lay a change out; ``compared`` is its diff (empty: left out), or why there is none."""
    obstacle = files.obstacle(change)
    served = change.kind != "deleted" and obstacle in {"", "unkept"}
    path = quote(change.path)
    diff = _lines(compared) if isinstance(compared, str) else ()
    apart = compared == "" or len(diff) > SHOWN_LINES
    return Row(
        path=change.path,
        kind=change.kind,
        kind_name=KINDS[change.kind].say(language),
        size="" if change.kind == "deleted" else size_of(change.size),
        added=change.added,
        removed=change.removed,
        url=f"raw/{path}" if served else "",
        note="" if compared is None else _note(files, obstacle, language),
        is_picture=served and content_type(change.path).startswith("image/"),
        diff=() if apart else diff,
        no_diff=compared.say(language, path=change.path) if isinstance(compared, Text) else "",
        diff_url=f"diff/{path}" if apart else "",
    )


def _lines(diff: str) -> tuple[Line, ...]:
    lines = diff.rstrip("\n").split("\n")[HEAD_LINES:]
    return tuple(Line(SIGNS.get(line[:1], ""), line) for line in lines)


def _note(files: Files, obstacle: str, language: Language) -> str:
    if obstacle == "secret":
        return texts.WITHHELD_SECRET.say(language)
    if obstacle == "large":
        return texts.WITHHELD_LARGE.say(language, limit=size_of(files.limits.max_bytes))
    return texts.WITHHELD_UNKEPT.say(language) if obstacle else ""
