"""``make rehearse``: upgrades and rollbacks of real releases, and the table of what they came to."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from bot.errors import StartError
from bot.opencode.releases import install
from tests.rehearse.plays import Failed, refused, service_killed, table, there_and_back

RELEASES = Path(__file__).parents[2] / ".runtime/releases"
NEW = "1.18.33"
PLAYS = {
    "1.14.41": (there_and_back, service_killed),
    "1.15.13": (there_and_back,),
    "1.1.65": (refused,),
}
HEAD = ("| Way | What | Came to | Took |", "|---|---|---|---|")


async def rehearse(folder, options):
    """Play the stories; return the table and how many failed."""
    lines, failed = list(HEAD), 0
    chosen = options.olds or PLAYS
    for old, play in [(each, play) for each in chosen for play in PLAYS[each]]:
        place = folder / f"{old}-{play.__name__}"
        place.mkdir()
        try:
            rows = await table(play(place, options.releases, old, NEW))
        except (Failed, TimeoutError) as exc:
            failed += 1
            say(f"{old}, {play.__name__} FAILED: {type(exc).__name__} {exc}")
            continue
        for row in rows:
            took = f"{row.seconds:.0f} s" if row.seconds else ""
            lines.append(f"| {row.path} | {row.what} | {row.result} | {took} |")
    return lines, failed


def say(line):
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def options_of(argv):
    parser = argparse.ArgumentParser(prog="make rehearse", description=__doc__)
    parser.add_argument("olds", nargs="*", help=f"older releases; else {', '.join(PLAYS)}")
    parser.add_argument("--releases", type=Path, default=RELEASES, help="where they are installed")
    parser.add_argument("--install", metavar="VERSION", help="install one, and nothing else")
    return parser.parse_args(argv)


def main(argv=None):
    options = options_of(argv)
    try:
        for version in [options.install] if options.install else [NEW, *(options.olds or PLAYS)]:
            install(version, options.releases)
    except StartError as exc:
        say(str(exc))
        return 1
    if options.install:
        return 0
    with tempfile.TemporaryDirectory(prefix="rehearse-") as folder:
        lines, failed = asyncio.run(rehearse(Path(folder), options))
    say("\n".join(lines))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
