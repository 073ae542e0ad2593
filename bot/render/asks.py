"""A request of OpenCode as people read it, with how to answer it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from bot.opencode.fields import text
from bot.opencode.model import PermissionRequest, Question, QuestionRequest
from bot.render.frame import Pending
from bot.render.pieces import age, block, code, masked, one_line
from bot.summary import Summary
from bot.texts import Language
from bot.texts import asks as texts

VISIBLE = 3
DETAIL_CHARS = 1_100
HEAD_CHARS = 700
TAIL_CHARS = 300
INLINE_CHARS = 80
KIND_CHARS = 60
OUTSIDE = "external_directory"


def asks(pending: Sequence[Pending], language: Language, now: int) -> str:
    """Return the open requests of a turn, the first few in full."""
    blocks = [ask(item, language, now) for item in pending[:VISIBLE]]
    if len(pending) > VISIBLE:
        blocks.append(texts.MORE_ASKS.say(language, count=len(pending) - VISIBLE))
    return "\n\n".join(blocks)


def ask(pending: Pending, language: Language, now: int, *, whole: bool = False) -> str:
    """Return one request; ``whole``: nothing of what is asked for is left out."""
    request = pending.request
    if isinstance(request, QuestionRequest):
        lines = [*_question_lines(pending, request, language)]
    else:
        lines = [*_permission_lines(pending, request, language, whole=whole)]
    if pending.expires_at is not None:
        lines[-1] += " · " + texts.LEFT.say(language, age=age(pending.expires_at - now))
    return "\n".join(lines)


def _heading(pending: Pending, heading: str, language: Language) -> str:
    if pending.of_child:
        heading += texts.OF_CHILD.say(language)
    if pending.count > 1:
        heading += texts.TIMES.say(language, count=pending.count)
    return heading


def _permission_lines(
    pending: Pending, request: PermissionRequest, language: Language, *, whole: bool
) -> Iterator[str]:
    yield _heading(pending, texts.PERMISSION.say(language, code=pending.code), language)
    detail = _detail(subject(request), language, whole=whole)
    yield texts.WHAT.say(language, what=kind_of(pending, request, language), detail=detail)
    yield texts.HOW_TO_DECIDE.say(language, code=pending.code)
    if kind := like(request):
        yield texts.ALWAYS.say(language, code=pending.code, patterns=code(kind, KIND_CHARS))


def like(request: PermissionRequest) -> str:
    """Return what "always" would allow; empty where that is nothing, or too long to be read."""
    patterns = masked(", ".join(request.always))
    return patterns if patterns == one_line(patterns, KIND_CHARS) else ""


def kind_of(pending: Pending, request: PermissionRequest, language: Language) -> str:
    """Return what kind of thing is asked for, and by which tool."""
    what = texts.WHATS.get(request.permission)
    name = (
        what.say(language)
        if what
        else texts.WHAT_ELSE.say(language, permission=one_line(request.permission, 40))
    )
    tool = texts.BY_TOOL.say(language, tool=one_line(pending.tool, 40)) if pending.tool else ""
    return name + tool


def subject(request: PermissionRequest) -> str:
    """Return what exactly is asked for, with its secrets masked."""
    return masked(_subject(request, "\n"))


def _subject(request: PermissionRequest, joint: str) -> str:
    """Return what exactly is asked for: the command, the file, else the patterns of a rule.

    A path outside the workspace is asked for by a pattern that is wider than what the tool wants.
    """
    if command := text(request.metadata, "command"):
        return command
    outside = request.permission == OUTSIDE
    return (outside and text(request.metadata, "filepath")) or joint.join(request.patterns)


def for_tool(pending: Pending, summary: Summary) -> Pending:
    """Return the request with the tool that it is for, if that is among those at work."""
    if isinstance(pending.request, QuestionRequest):
        return pending
    wanted = _subject(pending.request, "\n")
    tools = (tool.name for tool in summary.tools_running if tool.label == wanted)
    return replace(pending, tool=next(tools, ""))


def _detail(detail: str, language: Language, *, whole: bool) -> str:
    if not detail.strip():
        return texts.NO_DETAIL.say(language)
    if len(detail) > DETAIL_CHARS and not whole:
        hidden = len(detail) - HEAD_CHARS - TAIL_CHARS
        middle = texts.DETAIL_CUT.say(language, chars=hidden)
        detail = f"{detail[:HEAD_CHARS]}\n…（{middle}）…\n{detail[-TAIL_CHARS:]}"
    # One line is shown as it is: folding its spaces or quotes would show another command.
    if len(detail) <= INLINE_CHARS and "\n" not in detail and "`" not in detail:
        return f"`{detail}`"
    return "\n" + block(detail)


def _question_lines(
    pending: Pending, request: QuestionRequest, language: Language
) -> Iterator[str]:
    yield _heading(pending, texts.QUESTION.say(language, code=pending.code), language)
    several = len(request.questions) > 1
    for place, question in enumerate(request.questions, start=1):
        number = f"({place}) " if several else ""
        yield number + one_line(question.question or question.header, 400)
        for choice, option in enumerate(question.options, start=1):
            about = f" — {one_line(option.description, 80)}" if option.description else ""
            yield f"{choice}. {one_line(option.label, 80)}{about}"
        if question.options:
            yield ""  # else the next line belongs to the list's last item
    yield texts.HOW_TO_ANSWER.say(language, code=pending.code, example=example(request, language))


def example(request: QuestionRequest, language: Language) -> str:
    """Return what an answer to the request may look like, in words."""
    if len(request.questions) > 1:
        return texts.EXAMPLE_SEVERAL.say(language)
    question = request.questions[0] if request.questions else Question("")
    if not question.options:
        return texts.EXAMPLE_WORDS.say(language)
    if question.multiple:
        return texts.EXAMPLE_MULTIPLE.say(language)
    return (texts.EXAMPLE_CHOICE if question.custom else texts.EXAMPLE_NUMBER).say(language)


def short(pending: Pending, language: Language) -> str:
    """Return one line about a request, for lists."""
    request = pending.request
    if isinstance(request, QuestionRequest):
        first = request.questions[0].question if request.questions else ""
        return f"❓ {pending.code} · {one_line(first, 60)}"
    what = texts.WHATS.get(request.permission)
    name = what.say(language) if what else one_line(request.permission, 40)
    detail = masked(_subject(request, ", "))
    return f"🔐 {pending.code} · {name} {code(detail)}"
