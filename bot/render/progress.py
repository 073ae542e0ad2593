"""A running turn as Markdown: the state above, the words so far below; never appended to."""

from collections.abc import Iterator, Sequence

from bot.fitting import tail
from bot.opencode.model import Todo
from bot.render.asks import asks, for_tool
from bot.render.frame import Frame
from bot.render.pieces import age, code, counts, name_of, plain
from bot.render.reasons import retry_why
from bot.summary import COMMANDS, Child, Summary, Tool
from bot.texts import turns as texts

TEXT_BYTES = 12_000  # of the answer so far; its end is what people follow
RULE = "────────"
TITLE_CHARS = 24
TODOS_SHOWN = 6
NAMES_SHOWN = {"quiet": 0, "normal": 3, "full": 8}
CHILDREN_SHOWN = {"quiet": 0, "normal": 3, "full": 8}
TOOLS_SHOWN = 8
ERROR_CHARS = 80
_MARKS = {"completed": "✔", "in_progress": "▶", "cancelled": "✖"}


def progress(summary: Summary, frame: Frame) -> str:
    """Return all that a bubble shows of a running turn."""
    lines = [head(summary, frame), *_lines(summary, frame)]
    blocks = ["\n".join(lines)]
    if frame.asks:
        pending = [for_tool(one, summary) for one in frame.asks]
        blocks.append(asks(pending, frame.language, frame.now))
    if text := max(summary.text, frame.kept, key=len):
        left_out = texts.EARLIER_LEFT_OUT.say(frame.language)
        blocks.append(f"{RULE}\n{tail(text, TEXT_BYTES, left_out=left_out)}")
    return "\n\n".join(blocks)


def head(summary: Summary, frame: Frame) -> str:
    """Return the first line: what runs, for how long, how far, by whom. It ticks each second."""
    language = frame.language
    title = plain(frame.title, TITLE_CHARS) or f"#{frame.n}"
    parts = [texts.HEAD.say(language, title=title, age=age(frame.now - frame.started_at))]
    if summary.steps:
        parts.append(texts.HEAD_STEP.say(language, step=summary.steps))
    else:
        parts.append(texts.HEAD_PREPARING.say(language))
    if frame.detail != "quiet":
        who = [frame.agent, frame.model.partition("/")[2] or frame.model]
        parts.extend([" / ".join(filter(None, who))] if any(who) else [])
    if frame.detail == "full" and summary.tokens:
        parts.append(f"{summary.tokens / 1000:.1f}k tokens")
    return " · ".join(parts)


def _lines(summary: Summary, frame: Frame) -> Iterator[str]:
    if frame.note:
        yield frame.note
    if summary.retry:
        yield _retry(summary, frame)
    if summary.todos:
        yield _todos(summary.todos, frame)
    if summary.thinking:
        yield texts.THINKING.say(frame.language)
    if frame.detail != "quiet":
        yield from _work(summary, frame)
    if frame.live_link:
        yield texts.LIVE_LINK.say(frame.language, url=frame.live_link)


def _work(summary: Summary, frame: Frame) -> Iterator[str]:
    if frame.detail == "full":
        yield from _log(summary)
    if edits := _edits(summary, frame):
        yield edits
    yield from _running(summary, frame)
    if failed := _failed(summary, frame):
        yield failed
    if looked := _looked(summary, frame):
        yield looked
    yield from _children(summary.children, frame)


def _retry(summary: Summary, frame: Frame) -> str:
    status = summary.status
    seconds = (status.next_at - frame.now + 999) // 1000
    text = texts.RETRY if seconds > 0 else texts.RETRY_NOW
    why = retry_why(status, frame.language)
    return text.say(frame.language, why=why, seconds=seconds, attempt=status.attempt)


def _todos(todos: Sequence[Todo], frame: Frame) -> str:
    done = sum(todo.status == "completed" for todo in todos)
    line = texts.TODOS.say(frame.language, done=done, total=len(todos))
    current = next((i for i, todo in enumerate(todos) if todo.status == "in_progress"), done)
    first = max(0, min(current - TODOS_SHOWN // 2, len(todos) - TODOS_SHOWN))
    shown = todos[first : first + TODOS_SHOWN]
    if frame.detail == "quiet":
        shown = [todo for todo in todos if todo.status == "in_progress"][:1]
    return "  ".join(
        [line, *(f"{_MARKS.get(t.status, '○')} {plain(t.content, 20)}" for t in shown)]
    )


def _edits(summary: Summary, frame: Frame) -> str:
    edits = summary.edits
    if not edits:
        return ""
    shown = NAMES_SHOWN[frame.detail]
    names = [plain(name_of(path), 40) for path in list(edits)[-shown:]]
    added, removed = (sum(column) for column in zip(*edits.values(), strict=True))
    return texts.EDITED.say(
        frame.language,
        count=len(edits),
        counts=counts(added, removed),
        names=", ".join(names) + ("…" if len(edits) > shown else ""),
    )


def _running(summary: Summary, frame: Frame) -> Iterator[str]:
    for tool in summary.tools_running:
        lasted = age(frame.now - (tool.started_at or frame.now))
        if tool.name in COMMANDS:
            yield texts.COMMAND.say(frame.language, command=code(tool.label), age=lasted)
        elif not tool.child and tool.name not in {"question", "todowrite"}:
            yield texts.TOOL.say(frame.language, tool=tool.name, label=code(tool.label), age=lasted)


def _failed(summary: Summary, frame: Frame) -> str:
    """Return the last tool's failure, until the next tool makes it history."""
    last = next(reversed(list(summary.own_tools())), None)
    if last is None or last.status != "error":
        return ""
    return texts.TOOL_FAILED.say(
        frame.language,
        tool=last.name,
        label=code(last.label),
        error=plain(last.error, ERROR_CHARS),
    )


def _looked(summary: Summary, frame: Frame) -> str:
    what = []
    if summary.reads:
        what.append(texts.READ.say(frame.language, count=summary.reads))
    if summary.searches:
        what.append(texts.SEARCHED.say(frame.language, count=summary.searches))
    joint = "、" if frame.language == "zh" else ", "
    return texts.LOOKED.say(frame.language, what=joint.join(what)) if what else ""


def _log(summary: Summary) -> Iterator[str]:
    finished = [tool for tool in summary.own_tools() if tool.finished]
    for tool in finished[-TOOLS_SHOWN:]:
        yield f"✔ {tool.name} {code(tool.label)}" if tool.label else f"✔ {tool.name}"


def _children(children: Sequence[Child], frame: Frame) -> Iterator[str]:
    shown = CHILDREN_SHOWN[frame.detail]
    newest = sorted(children, key=lambda child: child.state == "running")[-shown:]
    for child in (c for c in children if c in newest):
        yield _child(child, frame)
    if len(children) > shown:
        yield texts.CHILDREN_MORE.say(frame.language, count=len(children) - shown)


def _child(child: Child, frame: Frame) -> str:
    title = plain(child.title, 40)
    if child.state == "done":
        return texts.CHILD_DONE.say(frame.language, title=title)
    if child.state == "failed":
        return texts.CHILD_FAILED.say(frame.language, title=title)
    doing = _child_doing(child.doing, frame)
    return texts.CHILD_RUNNING.say(frame.language, title=title, doing=doing)


def _child_doing(tool: Tool | None, frame: Frame) -> str:
    if tool is None:
        return texts.CHILD_WORKING.say(frame.language)
    return f"{tool.name} {code(tool.label, 40)}"
