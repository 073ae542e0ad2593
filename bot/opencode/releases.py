"""Releases of OpenCode, each installed from npm into a folder of its own."""

import re
import shutil
import subprocess
from pathlib import Path

from bot.errors import StartError

PACKAGE = "opencode-ai"
PROGRAM = "node_modules/.bin/opencode"
INSTALL_LIMIT_S = 300.0


def program_of(version: str, root: Path) -> Path:
    """Return where the program of a release is, or would be, below a folder of releases."""
    return root / version / PROGRAM


def install(version: str, root: Path) -> Path:
    """Install a release below ``root`` unless it is there, and return its program; blocks.

    What is not whole is never seen under the release's name. Raises ``StartError`` with the mend.
    """
    if re.fullmatch(r"\d+\.\d+\.\d+", version) is None:
        raise StartError(f"{version!r} is no version of OpenCode; one looks like 1.18.33.")
    program = program_of(version, root)
    if program.exists():
        return program
    npm = shutil.which("npm")
    if npm is None:
        raise StartError("npm is needed to install OpenCode; install it (Debian: apt install npm).")
    draft = root / f".{version}.new"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        _fetch(npm, version, draft)
        draft.rename(root / version)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return program


def _fetch(npm: str, version: str, folder: Path) -> None:
    (folder / "package.json").write_text(
        '{"private": true}\n'
    )  # else npm looks in the folders above
    quiet = ("--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")
    try:
        done = subprocess.run(  # noqa: S603  # the version was looked at
            [npm, "install", "--prefix", str(folder), *quiet, f"{PACKAGE}@{version}"],
            capture_output=True,
            text=True,
            check=False,
            timeout=INSTALL_LIMIT_S,
        )
    except subprocess.TimeoutExpired as exc:
        raise StartError(
            f"npm did not install {PACKAGE} {version} within {INSTALL_LIMIT_S:.0f} s; try again."
        ) from exc
    if done.returncode != 0 or not (folder / PROGRAM).exists():
        words = done.stderr.strip().splitlines()
        raise StartError(
            f"npm could not install {PACKAGE} {version}: {words[0] if words else 'without a word'}."
        )
