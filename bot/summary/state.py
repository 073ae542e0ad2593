"""A turn so far, as a value that each event replaces."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from bot.opencode.model import ServerError, Status, Todo
from bot.summary.tools import COMMANDS, READS, SEARCHES, Edit, Tool
from bot.summary.words import Words, paragraphs

IDLE = Status("idle")
FINAL_FINISHES = frozenset({"stop", "length", "content-filter", "error"})
ChildState = Literal["running", "done", "failed"]


@dataclass(frozen=True, slots=True)
class Patch:
    """The files that a step changed, as the server's snapshot saw it (commands included)."""

    files: tuple[str, ...]


Piece = Words | Tool | Patch


@dataclass(frozen=True, slots=True)
class Step:
    """One call of the model: what it wrote, thought and did."""

    completed: bool
    finish: str | None
    error: ServerError | None
    tokens: int
    pieces: dict[str, Piece]

    @property
    def ended_well(self) -> bool:
        """Whether it came to an end of its own."""
        return self.completed and self.finish is not None and self.error is None

    def texts(self) -> Iterator[str]:
        """Yield the texts. A try that the model began anew leaves an open one behind: dropped."""
        words = [p for p in self.pieces.values() if isinstance(p, Words) and p.kind == "text"]
        for place, piece in enumerate(words, start=1):
            dangling = not piece.done and (place < len(words) or self.ended_well)
            if not dangling:
                yield piece.text

    @property
    def thinking(self) -> bool:
        """Whether the model thinks and has not begun to write or act since."""
        last = next(reversed(self.pieces.values()), None)
        return isinstance(last, Words) and last.kind == "reasoning" and not last.done


@dataclass(frozen=True, slots=True)
class Child:
    """A sub-agent: a session of its own, whose words are not the answer."""

    session: str
    title: str
    state: ChildState
    started_at: int
    tools: dict[str, Tool]

    @property
    def doing(self) -> Tool | None:
        """The tool that it runs now."""
        return next((t for t in reversed(self.tools.values()) if t.running), None)


@dataclass(frozen=True, slots=True)
class Summary:
    """One prompt and all that OpenCode did for it so far. Times are Unix milliseconds.

    ``prompts`` are the ids of messages whose answers are ours: the prompt, and what the server
    itself put behind it after it had summed up the session in the middle of the turn.
    """

    session: str
    prompt: str
    started_at: int
    last_event_at: int
    status: Status
    seen_busy: bool
    error: ServerError | None
    answers: dict[str, Step]
    prompts: tuple[str, ...]
    newest_user: tuple[str, int]
    compaction: str
    todos: tuple[Todo, ...]
    subagents: dict[str, Child]
    title: str

    def with_answers(self, answers: dict[str, Step], at: int) -> "Summary":
        """Return the turn with other answers; spelt out, since every piece of text comes by here."""
        return Summary(
            self.session,
            self.prompt,
            self.started_at,
            at,
            self.status,
            self.seen_busy,
            self.error,
            answers,
            self.prompts,
            self.newest_user,
            self.compaction,
            self.todos,
            self.subagents,
            self.title,
        )

    @property
    def text(self) -> str:
        """The answer so far: every text of the turn's own session, in order."""
        return paragraphs(text for step in self.answers.values() for text in step.texts())

    @property
    def steps(self) -> int:
        """How many times the model was called."""
        return len(self.answers)

    @property
    def last_step(self) -> Step | None:
        """The newest call of the model."""
        return next(reversed(self.answers.values()), None)

    @property
    def retry(self) -> Status | None:
        """How the server waits to try again, while it does."""
        return self.status if self.status.kind == "retry" else None

    @property
    def thinking(self) -> bool:
        """Whether the model thinks and shows nothing yet."""
        step = self.last_step
        return step is not None and not step.completed and step.thinking

    @property
    def tokens(self) -> int:
        """The size of the conversation at the last step that reported it."""
        return next((s.tokens for s in reversed(self.answers.values()) if s.tokens), 0)

    @property
    def children(self) -> tuple[Child, ...]:
        """The sub-agents, in the order in which they began."""
        return tuple(self.subagents.values())

    def own_tools(self) -> Iterator[Tool]:
        """Yield the uses of tools in the turn's own session, in order."""
        for step in self.answers.values():
            yield from (piece for piece in step.pieces.values() if isinstance(piece, Tool))

    def tools(self) -> Iterator[Tool]:
        """Yield every use of a tool, those of sub-agents last."""
        yield from self.own_tools()
        for child in self.subagents.values():
            yield from child.tools.values()

    @property
    def tools_running(self) -> tuple[Tool, ...]:
        """The tools at work in the turn's own session."""
        return tuple(tool for tool in self.own_tools() if tool.running)

    @property
    def command(self) -> Tool | None:
        """The command that runs now, the latest of several."""
        running = [tool for tool in self.tools_running if tool.name in COMMANDS]
        return running[-1] if running else None

    @property
    def finished_tools(self) -> int:
        """How many uses of a tool had their effect."""
        return sum(tool.finished for tool in self.tools())

    @property
    def reads(self) -> int:
        """How many different files or pages were read."""
        return len({t.label for t in self.tools() if t.finished and t.name in READS})

    @property
    def searches(self) -> int:
        """How many searches were made."""
        return sum(t.finished and t.name in SEARCHES for t in self.tools())

    @property
    def edits(self) -> dict[str, tuple[int, int]]:
        """The changed files with lines added and removed; (0, 0) when nobody counted."""
        found: dict[str, tuple[int, int]] = {}
        for edit in self._edits():
            added, removed = found.get(edit.path, (0, 0))
            found[edit.path] = (added + edit.added, removed + edit.removed)
        return found

    def _edits(self) -> Iterator[Edit]:
        for tool in self.tools():
            yield from tool.edits
        for step in self.answers.values():
            for piece in step.pieces.values():
                if isinstance(piece, Patch):
                    yield from map(Edit, piece.files)

    @property
    def touched(self) -> tuple[str, ...]:
        """The paths that tools or commands wrote, as the server named them."""
        return tuple(self.edits)
