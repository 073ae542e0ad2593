"""What a use of a tool means to a reader: what it works on, what it changed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bot.opencode.fields import as_json, child, items, number, text
from bot.opencode.model import ToolPart

COMMANDS = frozenset({"bash", "shell"})
READS = frozenset({"read", "list", "ls", "webfetch"})
SEARCHES = frozenset({"grep", "glob", "find", "websearch", "codesearch"})
EDITS = frozenset({"edit", "write", "multiedit", "patch", "apply_patch"})
LABEL_CHARS = 300
ERROR_CHARS = 200
RANKS = {"pending": 0, "running": 1, "completed": 2, "error": 2}
# How OpenCode words a refusal; such a tool may end the turn without a further answer.
REFUSALS = (
    *("rejected permission", "dismissed this question"),
    *("PermissionRejectedError", "QuestionRejectedError"),  # 1.2
)
# The inputs that say what a tool works on, the most telling first.
_SUBJECTS = (
    *("command", "filePath", "file_path", "path", "pattern", "query", "url"),
    *("description", "name"),
)


@dataclass(frozen=True, slots=True)
class Edit:
    """A file that a tool wrote; both counts are 0 when the tool did not say."""

    path: str
    added: int = 0
    removed: int = 0


@dataclass(frozen=True, slots=True)
class Tool:
    """One use of a tool. ``child`` is the session of the sub-agent that it started."""

    name: str
    status: str
    label: str
    started_at: int | None
    ended_at: int | None
    edits: tuple[Edit, ...] = ()
    error: str = ""
    child: str = ""
    output_chars: int = 0

    @property
    def running(self) -> bool:
        """Whether it is at work now."""
        return self.status == "running"

    @property
    def finished(self) -> bool:
        """Whether it came to its end and had an effect; a call that made no sense has none."""
        return self.status == "completed" and self.name != "invalid"

    @property
    def refused(self) -> bool:
        """Whether a person said no to it."""
        return was_refused(self.error)

    def later_than(self, other: object) -> bool:
        """Tell whether this is news compared with ``other``: a tool never goes back."""
        return not isinstance(other, Tool) or RANKS.get(self.status, 0) >= RANKS.get(
            other.status, 0
        )


def was_refused(error: str) -> bool:
    """Tell whether a tool's error says that a person refused it."""
    return any(words in error for words in REFUSALS)


def as_tool(part: ToolPart) -> Tool:
    """Keep of a tool part what a summary shows; inputs and outputs may be megabytes."""
    return Tool(
        name=part.tool,
        status=part.status,
        label=_label(part),
        started_at=part.started_at,
        ended_at=part.ended_at,
        edits=tuple(_edits(part)) if part.status == "completed" else (),
        error=part.error[:ERROR_CHARS],
        child=text(part.metadata, "sessionId"),
        output_chars=len(text(part.metadata, "output")),
    )


def _label(part: ToolPart) -> str:
    if part.tool == "task":
        return text(part.input, "description")[:LABEL_CHARS]
    for key in _SUBJECTS:
        if subject := text(part.input, key):
            return subject[:LABEL_CHARS]
    return part.title[:LABEL_CHARS]


def _edits(part: ToolPart) -> Iterator[Edit]:
    if part.tool not in EDITS:
        return
    counted = [edit for json in _diffs(part.metadata) if (edit := _edit(json)).path]
    if counted:
        yield from counted
    elif path := text(part.metadata, "filepath") or text(part.input, "filePath"):
        yield Edit(path, added=_lines_of_new_file(part))


def _diffs(metadata: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    """Yield the counted diffs of a tool, wherever it keeps them: one, one a step, one a file."""
    yield child(metadata, "filediff")
    for result in items(metadata, "results"):
        yield child(as_json(result), "filediff")
    for file in items(metadata, "files"):
        yield as_json(file)


def _edit(json: Mapping[str, object]) -> Edit:
    path = text(json, "filePath") or text(json, "file") or text(json, "relativePath")
    return Edit(path, number(json, "additions") or 0, number(json, "deletions") or 0)


def _lines_of_new_file(part: ToolPart) -> int:
    if part.metadata.get("exists") is not False:
        return 0
    return len(text(part.input, "content").splitlines())
