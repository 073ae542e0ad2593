"""Finding the programs that a managed OpenCode needs: itself, git and ripgrep."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.errors import StartError
from bot.opencode.probe import NEWEST, OLDEST, proved

RUNTIME = Path(__file__).resolve().parents[2] / ".runtime"
VERSION_LIMIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Programs:
    """What is used. ``ripgrep`` is None when searches in files will not work."""

    opencode: Path
    ripgrep: Path | None


@dataclass(frozen=True, slots=True)
class Candidates:
    """What there is: an ``opencode`` on the PATH, the one of this checkout, and a chosen release."""

    installed: Path | None
    pinned: Path | None
    ripgrep: Path | None
    chosen: Path | None = None

    def choose(self, home: Path) -> Programs:
        """Take the chosen one, else that on the PATH if we were tested with its version, else the checkout's.

        Blocks while it asks for a version. With no other choice one outside the range will do:
        the server's warning says so.
        """
        if self.chosen is not None:
            return Programs(self.chosen, self.ripgrep)
        installed, pinned = self.installed, self.pinned
        known = installed is not None and (pinned is None or proved(version_of(installed, home)))
        chosen = installed if known else pinned
        assert chosen is not None
        return Programs(chosen, self.ripgrep)


def look(
    environ: Mapping[str, str], runtime: Path = RUNTIME, chosen: Path | None = None
) -> Candidates:
    """Look for the programs on the PATH and in the checkout; raises ``StartError`` with the mend.

    ``chosen``: the program of the release that an upgrade chose.
    """
    path = environ.get("PATH", os.defpath)
    installed, pinned = _on(path, "opencode"), runtime / "node_modules/.bin/opencode"
    if _on(path, "git") is None:
        raise StartError("git is not on the PATH; install it, the workspaces are made with it.")
    if chosen is not None and not chosen.exists():
        raise StartError(
            f"the chosen release of OpenCode is not at {chosen}; install it there with "
            "`python -m bot opencode upgrade`, or remove release.json beside the releases."
        )
    if installed is None and chosen is None and not pinned.exists():
        raise StartError(
            f"there is no OpenCode; run `make run` once, or install opencode-ai {OLDEST} to "
            f"{NEWEST} with npm so that `opencode` is on the PATH, or set opencode.url to a "
            "running server."
        )
    packed = sorted((runtime / "node_modules/@vscode").glob("ripgrep-*/bin/rg"))
    ripgrep = _on(path, "rg") or next(iter(packed), None)
    return Candidates(installed, pinned if pinned.exists() else None, ripgrep, chosen)


def path_suffices(environ: Mapping[str, str]) -> bool:
    """Tell whether the PATH has all that is needed, so that nothing has to be installed."""
    path = environ.get("PATH", os.defpath)
    installed = _on(path, "opencode")
    if installed is None or _on(path, "rg") is None:
        return False
    with tempfile.TemporaryDirectory() as home:
        return proved(version_of(installed, Path(home)))


def version_of(program: Path, home: Path) -> str:
    """Return what a program calls its version; empty when it does not run.

    ``home`` is a folder of ours: OpenCode makes its folders even for this question.
    """
    try:
        done = subprocess.run(  # noqa: S603  # the program that would be started next
            [program, "--version"],
            env={"HOME": str(home), "PATH": os.defpath},
            capture_output=True,
            text=True,
            check=False,
            timeout=VERSION_LIMIT_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def _on(path: str, name: str) -> Path | None:
    found = shutil.which(name, path=path)
    return Path(found) if found else None


if __name__ == "__main__":  # for the Makefile
    sys.exit(0 if path_suffices(os.environ) else 1)
