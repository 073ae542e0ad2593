"""Does the answer claim to have made or changed a file? An intent, a mention, a question is no claim."""

import re
from collections.abc import Iterator

from bot.claims.grammar import (
    CHINESE,
    CLAUSE_END,
    ENGLISH,
    FURTHER,
    LANGUAGES,
    QUESTION,
    SENTENCE_END,
    Grammar,
)
from bot.claims.paths import MARK, Masked, marked, mask

_BULLET = re.compile(r"^\s*(?:[-*+•·▸✅✔☑|]|\d+[.)、])\s*(?:\[[ xX]\]\s*)?")
_HEADING = re.compile(r"^\s*#{1,6}\s+")
_QUOTED = re.compile(r"^\s*>")
_ENDS_OPEN = re.compile(r"[:：]\s*$")
_LED = re.compile(rf"^(\s*{MARK}.)\s*(?:[—–-]+|——)\s")
_ABOUT = re.compile(r"\s[—–-]\s|[:：（(]|——|\s{2,}")


def claimed(text: str) -> list[str]:
    """Return the paths that the answer says it made or changed, in order, each once."""
    masked = mask(text)
    return list(dict.fromkeys(path.strip() for path in _of_lines(masked)))


def _of_lines(masked: Masked) -> Iterator[str]:
    announced = False
    for line in masked.text.split("\n"):
        if not line.strip():
            continue
        if _QUOTED.match(line):
            announced = False
            continue
        bullet = _BULLET.match(line)
        body = line[bullet.end() :] if bullet else _HEADING.sub("", line)
        if not bullet:
            announced = MARK not in body and _announces(body, heading=body != line)
        if bullet and announced and body.lstrip().startswith(MARK):
            yield from (path for _, path in marked(masked, _ABOUT.split(body.strip())[0]))
            continue
        yield from _of_body(masked, _LED.sub(r"\1: ", body) if bullet else body)


def _announces(line: str, *, heading: bool) -> bool:
    """Tell whether a line says that the files listed under it were made."""
    if any(language.announce.search(line) for language in LANGUAGES):
        return True
    return bool(not heading and _ENDS_OPEN.search(line)) and _deed(line) is not None


def _of_body(masked: Masked, body: str) -> Iterator[str]:
    """Go through the sentences of a line; what was done in one may lie where the next one says."""
    done = False
    for sentence in SENTENCE_END.split(body):
        if QUESTION.search(sentence) or any(g.open.search(sentence) for g in LANGUAGES):
            done = False
            continue
        going_on, before = False, list[str]()
        for clause in CLAUSE_END.split(sentence):
            paths = marked(masked, clause)
            deed = _deed(clause)
            if deed is None:
                found = _further(clause, paths, done=done, going_on=going_on)
                going_on = bool(found)
            else:
                found = _objects(clause, paths, *deed) or _done_to(clause, before)
                going_on = done = True
            yield from found
            before = [path for _, path in paths]


def _done_to(clause: str, before: list[str]) -> list[str]:
    """Return the paths of the clause before, for one that says "which I just made"."""
    return before if ENGLISH.further.search(clause) else []


def _further(clause: str, paths: list[tuple[int, str]], *, done: bool, going_on: bool) -> list[str]:
    """Return what a clause without a deed of its own adds to the deed before it."""
    if not paths or any(language.void.search(clause) for language in LANGUAGES):
        return []
    more = going_on and (FURTHER.search(clause) or CHINESE.further.search(clause))
    place = done and any(language.place.search(clause) for language in LANGUAGES)
    return _until_stop(clause, paths, 0) if more or place else []


def _deed(clause: str) -> tuple[Grammar, int, int] | None:
    """Return the finished deed of a clause: its language, where its words begin and end."""
    for language in LANGUAGES:
        strong = language.strong.search(clause)
        if strong and not language.open.search(clause[: strong.start()]):
            return language, strong.start(), strong.end()
        if language.doubt.search(clause):
            continue
        for found in language.claim.finditer(clause):
            if not language.void.search(clause[: found.start()] + _between(found)):
                return language, found.start(), found.end()
    return None


def _between(found: re.Match[str]) -> str:
    """Return what stands between "already" and its verb, where Chinese may take it back."""
    return found.groupdict().get("between") or ""


def _objects(
    clause: str, paths: list[tuple[int, str]], language: Grammar, start: int, end: int
) -> list[str]:
    """Return what the deed was done to: what follows it, else what stands before it."""
    moved = language.moves.search(clause, start)
    behind = _until_stop(clause, paths, moved.end() if moved else end)
    return behind or [
        path
        for place, path in paths
        if place < start and not language.source.search(clause[:place])
    ]


def _until_stop(clause: str, paths: list[tuple[int, str]], start: int) -> list[str]:
    """Return the paths from ``start`` on, up to where the clause turns to something else."""
    stops = (language.stop.search(clause, start) for language in LANGUAGES)
    stop = min((found.start() for found in stops if found), default=len(clause))
    return [
        path
        for place, path in paths
        if start <= place < stop
        and not any(language.source.search(clause[start:place]) for language in LANGUAGES)
    ]
