"""What a turn is doing right now, in words; and whether it seems to be stuck."""

from collections.abc import Sequence

from bot.opencode.model import QuestionRequest
from bot.render.frame import Pending
from bot.render.pieces import age, code, plain
from bot.render.reasons import retry_why
from bot.summary import Summary, Tool
from bot.texts import Language
from bot.texts.turns import DOING, STALLED


def activity(summary: Summary, asks: Sequence[Pending], now: int, language: Language) -> str:
    """Return in a few words what the turn does or waits for."""
    if asks:
        kind = "questioning" if isinstance(asks[0].request, QuestionRequest) else "asking"
        waited = age(now - asks[0].asked_at)
        return DOING[kind].say(language, code=asks[0].code, age=waited)
    if summary.retry is not None:
        seconds = max(0, (summary.retry.next_at - now + 999) // 1000)
        why = retry_why(summary.retry, language)
        return DOING["retrying"].say(language, why=why, seconds=seconds)
    child = next((c for c in summary.children if c.state == "running"), None)
    if child is not None:
        return DOING["child"].say(language, title=plain(child.title, 40))
    running = summary.command or next(reversed(summary.tools_running), None)
    if running is not None:
        return _tool(running, summary, now, language)
    return DOING[_model(summary)].say(language)


def _tool(tool: Tool, summary: Summary, now: int, language: Language) -> str:
    lasted = age(now - (tool.started_at or summary.last_event_at))
    if tool is summary.command:
        return DOING["command"].say(language, command=code(tool.label), age=lasted)
    return DOING["tool"].say(language, tool=tool.name, age=lasted)


def _model(summary: Summary) -> str:
    step = summary.last_step
    if step is None:
        return "model" if summary.seen_busy else "starting"
    if summary.thinking:
        return "thinking"
    return "writing" if not step.completed and any(step.texts()) else "model"


def diagnose(
    summary: Summary,
    asks: Sequence[Pending],
    now: int,
    *,
    stall_after_ms: int,
    language: Language,
) -> str:
    """Return why nothing has moved for too long, empty while something moves."""
    silent = now - summary.last_event_at
    if silent < stall_after_ms:
        return ""
    doing = activity(summary, asks, now, language)
    return STALLED.say(language, age=age(silent), doing=doing)
