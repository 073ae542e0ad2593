"""`python -m bot doctor`: look, say, and write an archive when asked."""

import asyncio
import contextlib
import logging
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TextIO

import orjson
import structlog

from bot.doctor import bundle as archive
from bot.doctor import machine, render
from bot.doctor.examine import Progress, Report, examine
from bot.doctor.findings import Check, Finding
from bot.doctor.inforce import table as in_force
from bot.doctor.inforce.choice import A_NEW_CHAT, Asked
from bot.doctor.inforce.looking import InForce, seen_in_force
from bot.doctor.redact import Redactor, known_secrets
from bot.doctor.scene import Scene, look_around
from bot.errors import StartError
from config.problems import Problem
from config.settings import Settings

CANNOT = 2
# What is found so for no other reason than that the service was never started.
UNTIL_STARTED = {
    ("runtime.service", "error"),
    ("opencode.reached", "warning"),
    ("inforce.choice", "warning"),
    ("store.file", "warning"),
    ("viewer.reached", "warning"),
}
CLEAR_LINE = "\r\x1b[2K"


def run(
    settings: Settings,
    file: Path | None,
    environ: Mapping[str, str],
    *,
    as_json: bool = False,
    deep: bool = False,
    bundle: Path | None = None,
    problems: tuple[Problem, ...] = (),
    asked: Asked = A_NEW_CHAT,
) -> int:
    """Examine everything and print the report; return 0 fine, 1 warnings only, 2 errors.

    ``problems`` are the mistakes in the settings, which then are those that could be read.
    ``asked``: for which chat or project to say what is in force.
    """
    with _quiet():
        job = _run(
            settings,
            file,
            environ,
            as_json=as_json,
            deep=deep,
            bundle=bundle,
            problems=problems,
            asked=asked,
        )
        try:
            return asyncio.run(job)
        except KeyboardInterrupt:
            sys.stderr.write("Stopped before all was looked at.\n")
            return CANNOT


def run_in_short(settings: Settings, file: Path, environ: Mapping[str, str]) -> None:
    """Print what is not fine with what was just set up, and the summary; what a start mends is no fault."""
    with _quiet():
        asyncio.run(_run_in_short(settings, file, environ))


async def _run_in_short(settings: Settings, file: Path, environ: Mapping[str, str]) -> None:
    scene = await look_around(settings, file, environ)
    with _told_progress(sys.stderr, wanted=True) as progress:
        report = await examine(scene, progress=progress)
    if scene.live is None and machine.holder(scene.lock) is None:
        report = replace(report, findings=tuple(filter(_stays, report.findings)))
    _write(scene, render.in_short(render.as_called(report, render.program(file))))


def _stays(finding: Finding) -> bool:
    """Tell whether a finding says more than that the service does not run yet."""
    return (finding.check, finding.grade) not in UNTIL_STARTED


async def _run(
    settings: Settings,
    file: Path | None,
    environ: Mapping[str, str],
    *,
    as_json: bool,
    deep: bool,
    bundle: Path | None,
    problems: tuple[Problem, ...],
    asked: Asked,
) -> int:
    scene = await look_around(settings, file, environ, deep=deep, problems=problems)
    try:
        with _told_progress(sys.stderr, wanted=not as_json) as progress:
            found = None if scene.unread else await seen_in_force(scene, asked)
            report = await examine(scene, progress=progress)
    except StartError as exc:
        sys.stderr.write(f"opencode-wecom: {exc}\n")
        return CANNOT
    report = render.as_called(report, render.program(file))
    _print(scene, report, found, as_json=as_json)
    if bundle is not None:
        try:
            await archive.write(bundle, scene, report, _told(found))
        except OSError as exc:
            sys.stderr.write(f"The archive cannot be written: {bundle}: {exc.strerror}.\n")
            return CANNOT
        sys.stderr.write(f"Written for a bug report, read it before you send it: {bundle}\n")
    return report.exit_code


def _told(found: InForce | None) -> dict[str, object]:
    return {} if found is None else in_force.as_json(found)


def _print(scene: Scene, report: Report, found: InForce | None, *, as_json: bool) -> None:
    if as_json:
        redactor = Redactor(known_secrets(scene))
        value = render.as_json(report) | {"in_force": _told(found)}
        told = orjson.dumps(redactor.value(value), option=orjson.OPT_INDENT_2)
        sys.stdout.write(told.decode() + "\n")
    else:
        said = render.for_terminal(report, () if found is None else in_force.lines(found))
        _write(scene, said)
    sys.stdout.flush()


def _write(scene: Scene, said: str) -> None:
    said = Redactor(known_secrets(scene)).text(said)  # the last guard: no check shows one
    if sys.stdout.isatty():
        said = render.wrapped(said, shutil.get_terminal_size().columns)
    sys.stdout.write(said + "\n")
    sys.stdout.flush()


@contextlib.contextmanager
def _told_progress(stream: TextIO, *, wanted: bool) -> Iterator[Progress | None]:
    """Show what is looked at, in one line that goes away; only where somebody watches."""
    if not wanted or not stream.isatty():
        yield None
        return

    def show(words: str) -> None:
        stream.write(f"{CLEAR_LINE}Looking at {words} …")
        stream.flush()

    def tell(check: Check) -> None:
        show(f"{check.title.en} ({check.name})")

    try:
        show("what is in force")
        yield tell
    finally:
        stream.write(CLEAR_LINE)
        stream.flush()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what parts of the service would log out of the report; errors go to stderr."""
    before = structlog.get_config()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    try:
        yield
    finally:
        structlog.configure(**before)
