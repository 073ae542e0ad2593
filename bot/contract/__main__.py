"""``python -m bot.contract``: prove releases of OpenCode, print the table, and keep it as a page."""

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from bot.contract.page import Run, behaviours, page
from bot.contract.prove import START, Outcome, prove
from bot.errors import StartError
from bot.opencode.binaries import RUNTIME
from bot.opencode.capabilities import Capabilities, number_of
from bot.opencode.probe import NEWEST, OLDEST, proved
from bot.opencode.releases import install
from config.logs import set_up

VERSIONS = (
    *("1.1.65", "1.2.27", "1.3.2", "1.14.34", "1.14.41", "1.15.3", "1.15.13"),
    *("1.17.18", "1.18.4", "1.18.25", "1.18.33"),
)
"""The releases of the page. The ends of the proved range are among them, and what broke others."""
PAGE = Path(__file__).resolve().parents[2] / "docs/reference/opencode-versions.md"
FAILED = 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; 1 when a release within the proved range does not hold whole."""
    options = _parser().parse_args(argv)
    set_up(level="critical")
    signal.signal(signal.SIGTERM, _end)
    versions = sorted(options.versions or VERSIONS, key=lambda one: number_of(one) or ())
    runs = [_run(version, options) for version in versions]
    _say(f"\n{behaviours(runs)}\n")
    if set(versions) >= set(VERSIONS) and not options.scenes and not options.short:
        options.page.write_text(page(runs, datetime.now(UTC).date()))
        _say(f"Kept in {options.page}.")
    else:
        _say("Not all versions or not all scenes were run: the page stays as it is.")
    return FAILED if any(proved(run.version) and not run.whole for run in runs) else 0


def _end(number: int, _: object) -> NoReturn:
    """End in order: the server under proof goes down with us."""
    sys.exit(128 + number)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bot.contract", description=__doc__)
    parser.add_argument(
        "versions",
        nargs="*",
        help=f"releases; without any those of the page ({OLDEST} to {NEWEST})",
    )
    parser.add_argument("--releases", type=Path, default=RUNTIME / "releases", help="their folder")
    parser.add_argument("--page", type=Path, default=PAGE, help="where the table is kept")
    parser.add_argument("--scenes", nargs="+", help="only these")
    parser.add_argument("--short", action="store_true", help="only what an upgrade waits for")
    return parser


def _run(version: str, options: argparse.Namespace) -> Run:
    """Install one release, if it is not there, and prove it."""
    _say(f"\nOpenCode {version}")
    try:
        program = install(version, options.releases)
    except StartError as exc:
        outcome = Outcome(START, held=False, words=str(exc))
        _say(str(exc))
        return Run(version, (outcome,), Capabilities.of(version), 0.0)
    with tempfile.TemporaryDirectory(prefix="contract-", ignore_cleanup_errors=True) as room:
        began = time.monotonic()
        proving = prove(program, Path(room), scenes=options.scenes, short=options.short, say=_say)
        outcomes = asyncio.run(proving)
    seconds = time.monotonic() - began
    held = sum(one.held for one in outcomes)
    _say(f"{held} of {len(outcomes)} held, {seconds:.0f} s")
    return Run(version, tuple(outcomes), Capabilities.of(version), seconds)


def _say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
