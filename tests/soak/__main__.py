"""The soak (D9): the service under a steady load for long; memory, descriptors and times stay flat."""

import argparse
import asyncio
import logging
import os
import platform
import shutil
import sys
import tempfile
from pathlib import Path

from tests.drill.judge import judge
from tests.soak.load import ASKS, rigged
from tests.soak.report import draw, table
from tests.soak.samples import faults, watch

FAULTS_TOLD = 40


def _parser():
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rate", type=float, default=20, help="messages a second")
    parser.add_argument("--streams", type=int, default=100, help="turns that run at once")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("build/soak.png"),
        help="the picture; the table and the service's log beside it",
    )
    return parser


async def soak(options, place):
    """Run the load; return the samples, what peers saw, and the rig that was."""
    async with rigged(place, options.streams / options.rate * ASKS) as rig:
        ends = asyncio.get_running_loop().time() + options.minutes * 60
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(watch(rig, ends))
            group.create_task(rig.write(options.rate, options.streams, ends))
        await rig.settle()
        return watching.result(), await rig.history(), rig


def main():
    """Soak, draw, and fail if a bound was not kept or anything was lost or came twice."""
    options = _parser().parse_args()
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="soak-", ignore_cleanup_errors=True) as folder:
        samples, history, rig = asyncio.run(soak(options, Path(folder)))
        shutil.copy(Path(folder) / "service-1.log", options.out.with_suffix(".log"))
    title = (
        f"{options.minutes:g} minutes at {options.rate:g} messages a second, "
        f"{options.streams} turns at once"
    )
    machine = f"{platform.python_implementation()} {platform.python_version()}"
    load = f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end"
    counts = f"{len(history.prompts):,} prompts, {len(rig.commands):,} commands"
    missed = dict(rig.stopwatch.missed) or "none"
    lines = [f"{title}; {machine}, {load}.", f"{counts}; calls without an answer: {missed}."]
    text = table(samples, lines)
    draw(samples, title, options.out)
    options.out.with_suffix(".md").write_text(text, encoding="utf-8")
    sys.stdout.write(f"{text}\n{options.out}\n")
    found = [*faults(samples), *map(str, judge(history))]
    found += [f"lost: the command {msgid} has no answer" for msgid in rig.unanswered()]
    for fault in found[:FAULTS_TOLD]:
        sys.stdout.write(f"{fault}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
