"""The drill: the service is killed at every point of the matrix, and a history judges it."""

import argparse
import asyncio
import logging
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

import structlog

from tests.drill import migrations
from tests.drill.matrix import cases, outcomes, rows_of
from tests.drill.points import MIGRATION, ON
from tests.drill.random_cuts import random_cuts, without_syncs
from tests.drill.recovery import CHATS, recovery
from tests.drill.table import Row, markdown, total
from tests.drill.victim import compiled

CUTS = ("kill", "power")
NORMAL_CUTS = 8
NORMAL_CUTS_SHORT = 2
RANDOM = 200
RANDOM_SHORT = 10
RANDOM_TALK = 60  # of the channels over which no flood comes
FAULTS_TOLD = 40


def _parser():
    parser = argparse.ArgumentParser(prog="python -m tests.drill", description=__doc__)
    parser.add_argument("--points", help="C01,C02 …; else all", default="")
    parser.add_argument("--channel", choices=("all", *ON), default="all")
    parser.add_argument("--passages", help="1,2,3", default="")
    parser.add_argument("--cuts", help="kill,power", default="")
    parser.add_argument("--random", type=int, help="so many cuts at random moments; 0 for none")
    parser.add_argument("--short", action="store_true", help="one passage, killed, and few cuts")
    parser.add_argument("--report", type=Path, help="write the figures there as Markdown, too")
    return parser


def _listed(text, otherwise):
    return tuple(text.split(",")) if text else otherwise


async def drill(options, folder, library, channel):
    """Run what is wanted of a channel; return the rows, those that must lose, and lines beneath."""
    points = _listed(options.points, tuple(ON[channel]))
    cuts = _listed(options.cuts, CUTS[:1] if options.short else CUTS)
    passages = [int(n) for n in _listed(options.passages, ("1",) if options.short else "123")]
    wanted = cases(points, cuts, passages, channel)
    rows = rows_of(await outcomes(wanted, folder, library, tell=sys.stderr.write))
    count = options.random
    if count is None:
        count = 0 if options.points else _random(channel, short=options.short)
    if count:
        rows.append(await random_cuts(folder, library, count, channel=channel))
    if channel != "callback":
        return rows, [], []
    if not options.points or MIGRATION in points:
        rows += await migrations.drill(folder, library, cuts)
    normal, lines = [], []
    if not options.points:
        some = NORMAL_CUTS_SHORT if options.short else NORMAL_CUTS
        normal.append(await without_syncs(folder, library, some))
        took = sorted(await recovery(folder))
        lines.append(
            f"From `exec` to the first good reply with {CHATS:,} chats stored: "
            f"{took[len(took) // 2]:.2f} s, at worst {took[-1]:.2f} s in {len(took)} starts."
        )
    return rows, normal, lines


def _random(channel, *, short):
    if short:
        return RANDOM_SHORT
    return RANDOM if channel == "callback" else RANDOM_TALK


async def every(options, folder):
    """Drill each channel that is wanted; return what is to be printed, and every fault."""
    library = await compiled(folder)
    if library is None:
        sys.exit("The drill needs Linux and a C compiler (cc).")
    texts, faults = [], []
    for channel in ON if options.channel == "all" else (options.channel,):
        began = time.monotonic()
        rows, normal, lines = await drill(options, folder, library, channel)
        texts.append(report(channel, rows, normal, lines, time.monotonic() - began))
        faults += failed(rows, normal)
    return "\n".join(texts), faults


def report(channel, rows, normal, lines, seconds):
    """Return a channel's figures as Markdown."""
    machine = (
        f"{channel}: {platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores, "
        f"load {os.getloadavg()[0]:.1f}; {seconds / 60:.0f} minutes."
    )
    table = markdown([*rows, total(rows), *normal])
    return "\n".join([machine, "", table, "", *lines, ""])


def failed(rows: list[Row], normal: list[Row]):
    """Return every fault in words."""
    return [fault for row in (*rows, *normal) for fault in row.faults]


def main():
    """Drill, print, and fail if anything is not as promised."""
    options = _parser().parse_args()
    # A peer that was killed breaks connections off; OpenCode's stand-in need not say so.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
    with tempfile.TemporaryDirectory(prefix="drill-", ignore_cleanup_errors=True) as folder:
        text, faults = asyncio.run(every(options, Path(folder)))
    sys.stdout.write(text)
    if options.report is not None:
        options.report.write_text(text, encoding="utf-8")
    for fault in faults[:FAULTS_TOLD]:
        sys.stdout.write(f"{fault}\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
