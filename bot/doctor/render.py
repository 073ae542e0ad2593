"""A report as people and programs read it: in a terminal, as JSON, in a chat."""

import contextlib
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from bot.doctor.examine import Report
from bot.doctor.findings import GRADES, Finding, Grade
from bot.doctor.redact import Redactor
from bot.fitting import head
from bot.texts import Language
from bot.texts import doctor as texts
from config.sources import DEFAULT_FILE
from config.version import VERSION

MARKS: dict[Grade, str] = {"fine": "✅", "warning": "⚠️", "error": "❌"}
MEND_INDENT = " " * 5
WIDE_MARK = 1  # a mark is one character, and takes two columns
MODULE = "-m bot"
PROGRAM = f"python {MODULE}"  # as mends name it
FORMAT = 1  # of the JSON; grows when a member changes its meaning
CHAT_BYTES = 6_000  # one screen or two of a phone; far below what a bubble takes
EVIDENCE_BYTES = 400


def program(file: Path | None) -> str:
    """Return how this program is called from where one stands, with its settings file."""
    python = Path(sys.executable)
    with contextlib.suppress(ValueError):
        python = python.relative_to(Path.cwd())
    named = "" if file in (None, DEFAULT_FILE) else f" --config {file}"
    return f"{python} {MODULE}{named}"


def as_called(report: Report, program: str) -> Report:
    """Return the report with mends that can be pasted: with this interpreter and settings file."""
    findings = [replace(one, mend=one.mend.replace(PROGRAM, program)) for one in report.findings]
    return replace(report, findings=tuple(findings))


def for_terminal(report: Report, table: Sequence[str] = ()) -> str:
    """Return the whole report in plain English: groups, findings, mends, what is in force, a summary."""
    lines = _groups(report)
    lines += [f"{line}".rstrip() for line in (*table, "")] if table else []
    return "\n".join([*lines, _summary(report)])


def in_short(report: Report) -> str:
    """Return what is not fine, in plain English, and the summary of all."""
    wrong = tuple(one for one in report.findings if one.grade != "fine")
    return "\n".join([*_groups(replace(report, findings=wrong)), _summary(report)])


def _groups(report: Report) -> list[str]:
    lines: list[str] = []
    for group in report.groups:
        if found := report.in_group(group):
            lines += [group.title.en, *(line for one in found for line in _lines(one)), ""]
    return lines


def wrapped(said: str, columns: int) -> str:
    """Return it for a terminal so wide, broken at blanks; mends stay whole, to be pasted."""
    lines: list[str] = []
    for line in said.splitlines():
        indent = " " * (len(line) - len(line.lstrip()) + len(MEND_INDENT) - 2)
        whole = line.startswith(f"{MEND_INDENT}→") or len(line) < columns
        broken = textwrap.wrap(
            line,
            max(columns - WIDE_MARK, len(indent) + 1),
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
        lines += [line] if whole else broken
    return "\n".join(lines)


def _lines(finding: Finding) -> Iterator[str]:
    yield f"  {MARKS[finding.grade]} {finding.title.en} — {finding.evidence}"
    if finding.mend:
        yield f"{MEND_INDENT}→ {finding.mend}"


def _summary(report: Report) -> str:
    errors, warnings = len(report.of("error")), len(report.of("warning"))
    counted = f"{errors} errors, {warnings} warnings, {len(report.of('fine'))} fine"
    return f"{MARKS[report.grade]} {counted}"


def as_json(report: Report) -> dict[str, object]:
    """Return the report as one object; docs/reference/doctor.md says what it holds."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "at": report.at,
        "grade": report.grade,
        "counts": {grade: len(report.of(grade)) for grade in GRADES},
        "findings": [
            {
                "check": one.check,
                "group": one.group,
                "grade": one.grade,
                "title": one.title.en,
                "evidence": one.evidence,
                "mend": one.mend,
            }
            for one in report.findings
        ],
    }


def for_chat(report: Report, language: Language, redactor: Redactor, called: str = PROGRAM) -> str:
    """Return what is wrong, worst first, and how much is well; short enough for a phone.

    ``called``: how this program is called on the machine.
    """
    report = as_called(report, called)
    said = texts.CHAT_HEAD.say(
        language,
        errors=len(report.of("error")),
        warnings=len(report.of("warning")),
        fine=len(report.of("fine")),
    )
    left = [*report.of("error"), *report.of("warning")]
    while left:
        part = _in_chat(left[0], report, language, redactor)
        if len(f"{said}\n{part}".encode()) > CHAT_BYTES:
            more = texts.CHAT_MORE.say(language, count=len(left), program=redactor.text(called))
            return f"{said}\n{more}"
        said = f"{said}\n{part}"
        del left[0]
    return said if report.grade != "fine" else f"{said}\n{texts.CHAT_FINE.say(language)}"


def _in_chat(finding: Finding, report: Report, language: Language, redactor: Redactor) -> str:
    group = next(one.title for one in report.groups if one.name == finding.group)
    return texts.CHAT_FINDING.say(
        language,
        mark=MARKS[finding.grade],
        group=group.say(language),
        title=finding.title.say(language),
        evidence=head(redactor.text(finding.evidence), EVIDENCE_BYTES),
        mend=head(redactor.text(finding.mend), EVIDENCE_BYTES),
    )
