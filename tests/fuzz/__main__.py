"""Fuzz every target, or those that are named, and print what came of it.

``python -m tests.fuzz [target …] [--minutes N]``: the minutes are those of all targets together.
"""

import argparse
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.targets import TARGETS

ROOT = Path(__file__).parent.parent.parent
KEPT = ROOT / ".fuzz"  # inputs that broke something, and the logs of the processes
MINUTES = 10.0
AT_ONCE = 2
HANG_S = 20  # one input may take so long; the machine may be busy with other things
INPUT_BYTES = 8_192
MEMORY_MB = 2_048
SLACK_S = 120.0  # to import, to read the seeds and to end
FOUND = ("crash-", "timeout-", "oom-", "slow-unit-", "leak-")
HARMLESS = "slow-unit-"
STATS = re.compile(r"stat::(\w+):\s+(\d+)")
FEATURES = re.compile(r" ft: (\d+)")


@dataclass(frozen=True, slots=True)
class Report:
    """What came of one target: its runs, and the files of the inputs that broke it."""

    name: str
    runs: int
    rate: int
    features: int
    broken: tuple[Path, ...]
    code: int

    @property
    def bad(self) -> bool:
        return self.code != 0 or bool(self.broken)


def fuzz(name: str, seconds: int) -> Report:
    """Fuzz one target in a process of its own."""
    kept = KEPT / name
    kept.mkdir(parents=True, exist_ok=True)
    known = _found(kept)
    with tempfile.TemporaryDirectory(prefix=f"fuzz-{name}-") as corpus:
        for number, seed in enumerate(TARGETS[name].seeds()):
            (Path(corpus) / f"seed{number:03}").write_bytes(seed)
        options = (
            *(corpus, f"-max_total_time={seconds}", f"-max_len={INPUT_BYTES}"),
            *(f"-timeout={HANG_S}", f"-rss_limit_mb={MEMORY_MB}"),
            *(f"-artifact_prefix={kept}/", "-print_final_stats=1"),
        )
        log = kept / "log.txt"
        with log.open("wb") as out:
            code = _run(
                [sys.executable, "-m", "tests.fuzz.child", name, *options], out, seconds + SLACK_S
            )
    return _report(name, code, log.read_text(errors="replace"), _found(kept) - known)


def _run(command: list[str], out: object, limit_s: float) -> int:
    try:
        return subprocess.run(
            command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, timeout=limit_s, check=False
        ).returncode
    except subprocess.TimeoutExpired:
        return -1


def _found(folder: Path) -> set[Path]:
    return {path for path in folder.iterdir() if path.name.startswith(FOUND)}


def _report(name: str, code: int, log: str, found: set[Path]) -> Report:
    stats = {key: int(value) for key, value in STATS.findall(log)}
    return Report(
        name,
        stats.get("number_of_executed_units", 0),
        stats.get("average_exec_per_sec", 0),
        max(map(int, FEATURES.findall(log)), default=0),
        tuple(sorted(path for path in found if not path.name.startswith(HARMLESS))),
        code,
    )


def _line(report: Report) -> str:
    verdict = "-" if not report.bad else f"{len(report.broken)} (exit {report.code})"
    return (
        f"{report.name:<12}{report.runs:>12,}{report.rate:>10,}{report.features:>12,}   {verdict}"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.fuzz", description=__doc__)
    parser.add_argument("target", nargs="*", choices=[*TARGETS, []], help="default: all")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="of all targets together")
    return parser.parse_args()


def main() -> int:
    """Return 1 when an input broke a target."""
    arguments = _arguments()
    if importlib.util.find_spec("atheris") is None:
        sys.stderr.write("atheris is missing: it is there for Linux on x86_64 alone.\n")
        return 1
    names = arguments.target or list(TARGETS)
    at_once = max(1, min(AT_ONCE, os.cpu_count() or 1, len(names)))
    seconds = max(1, round(arguments.minutes * 60 * at_once / len(names)))
    sys.stdout.write(f"{len(names)} targets, {seconds} s each, {at_once} at a time\n")
    sys.stdout.write(f"{'target':<12}{'runs':>12}{'runs/s':>10}{'features':>12}   crashes\n")
    reports = []
    with ThreadPoolExecutor(at_once) as pool:
        for report in pool.map(lambda name: fuzz(name, seconds), names):
            reports.append(report)
            sys.stdout.write(_line(report) + "\n")
            sys.stdout.flush()
    for report in (report for report in reports if report.bad):
        sys.stdout.write(f"\n{report.name}: see {KEPT / report.name / 'log.txt'}\n")
        sys.stdout.writelines(f"  {path}\n" for path in report.broken)
    if not any(report.bad for report in reports):
        shutil.rmtree(KEPT, ignore_errors=True)
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
