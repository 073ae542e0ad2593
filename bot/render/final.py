"""The final answer of a turn: the model's words, then what became of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from bot.fitting import closed
from bot.messages import Answer
from bot.opencode.model import ServerError
from bot.render.pieces import age, counts, path_of, paths_of
from bot.render.reasons import kind, reason
from bot.texts import Language
from bot.texts import turns as texts
from bot.texts.turns import Outcome

FILES_SHOWN = 5
LISTED_SHOWN = 20
MISSING_NAMED = 2  # in the status; the line above it names all


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """A file that the turn changed; the counts of lines are None when it is no text.

    ``url`` opens the file itself, empty where it is not served.
    """

    path: str
    kind: Literal["added", "modified", "deleted"]
    added: int | None = None
    removed: int | None = None
    url: str = ""


@dataclass(frozen=True, slots=True)
class Ending:
    """All that the last word of a turn is made of.

    ``stopped`` is the sentence for an end that we brought about and then stands for ``outcome``.
    ``missing`` are files that the answer claims and nobody finds; ``link`` the turn's page, None
    without a public URL; ``tools`` how many calls had an effect; ``notes`` lines of their own.
    """

    n: int
    language: Language
    outcome: Outcome
    text: str
    elapsed_ms: int
    error: ServerError | None = None
    stopped: str = ""
    changes: Sequence[ChangedFile] = ()
    missing: Sequence[str] = ()
    link: str | None = None
    approvals: int = 0
    tools: int = 0
    notes: Sequence[str] = ()


def final(ending: Ending) -> Answer:
    """Return the answer of a turn that is over; its body is never empty."""
    status = ending.stopped or _status(ending)
    wordless = not ending.text.strip()
    # Without words an end that went wrong is the message itself, and needs no second mention.
    alone = wordless and not ending.changes and (_went_wrong(ending) or bool(ending.stopped))
    if alone:
        body, first = status, []
    else:
        body, first = _wordless(ending) if wordless else closed(ending.text.strip("\n")), [status]
    return Answer(
        body=body, footer="\n".join(_footer(ending, first, listed=wordless)), more=more(ending)
    )


def more(ending: Ending) -> str:
    """Return how to read the rest of an answer that was cut."""
    if ending.link:
        return texts.MORE_LINK.say(ending.language, url=ending.link)
    return texts.MORE_RESULT.say(ending.language, n=ending.n)


def _went_wrong(ending: Ending) -> bool:
    return ending.outcome not in {"answered", "empty"}


def _status(ending: Ending) -> str:
    outcome: Outcome = ending.outcome
    if outcome == "empty" and (ending.changes or ending.tools):
        outcome = "answered"
    if outcome == "answered" and ending.missing:
        named = paths_of(ending.missing[:MISSING_NAMED], ending.language)
        paths = f"{named} …" if len(ending.missing) > MISSING_NAMED else named
        return texts.INCOMPLETE.say(ending.language, n=ending.n, paths=paths)
    why = reason(ending.error, ending.language)
    text = texts.OUTCOMES[outcome]
    if outcome == "failed" and kind(ending.error) == "request":
        text = texts.TURNED_DOWN  # the same request would be turned down again
    return text.say(ending.language, n=ending.n, reason=why)


def _wordless(ending: Ending) -> str:
    """Return a body for a turn without words: what it changed, or honestly nothing."""
    language = ending.language
    if ending.changes:
        listed = [f"- {_file(change, language)}" for change in ending.changes[:LISTED_SHOWN]]
        if len(ending.changes) > LISTED_SHOWN:
            listed.append("- …")
        opening = texts.ONLY_FILES.say(language, count=len(ending.changes))
        return "\n".join([opening, "", *listed])
    if ending.tools:
        return texts.ONLY_TOOLS.say(language, count=ending.tools)
    return texts.NOTHING.say(language)


def _footer(ending: Ending, first: list[str], *, listed: bool) -> Iterator[str]:
    language = ending.language
    yield from ending.notes
    if ending.missing:
        yield texts.MISSING_FILES.say(language, paths=paths_of(ending.missing, language))
    if ending.changes and not listed:
        yield texts.FILES.say(language, files=_files(ending))
    yield " · ".join([*first, *_facts(ending)])
    if ending.changes and not ending.link:
        yield texts.NO_LINK.say(language, n=ending.n)


def _files(ending: Ending) -> str:
    shown = ", ".join(_file(change, ending.language) for change in ending.changes[:FILES_SHOWN])
    rest = len(ending.changes) - FILES_SHOWN
    return shown + (texts.FILES_MORE.say(ending.language, count=rest) if rest > 0 else "")


def _file(change: ChangedFile, language: Language) -> str:
    path = path_of(change.path)
    if change.url:
        path = f"[{path}]({change.url})"
    if change.kind == "deleted":
        return texts.FILE_DELETED.say(language, path=path)
    return path + counts(change.added, change.removed)


def _facts(ending: Ending) -> Iterator[str]:
    language = ending.language
    yield age(ending.elapsed_ms)
    if ending.changes:
        yield texts.FOOT_FILES.say(language, count=len(ending.changes))
    if ending.approvals:
        yield texts.FOOT_APPROVALS.say(language, count=ending.approvals)
    yield f"#{ending.n}"
    if ending.link:
        yield (texts.LINK if ending.changes else texts.LINK_ONLY).say(language, url=ending.link)
