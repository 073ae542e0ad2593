"""The OpenCode that the service will run: found, judged, and installed where there is none."""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.errors import StartError
from bot.opencode.binaries import RUNTIME, look, version_of
from bot.opencode.environment import Folders
from bot.opencode.probe import NEWEST, OLDEST, proved
from bot.opencode.releases import chosen_program, install

ROOT = Path(__file__).resolve().parents[2]
INSTALL_LIMIT_S = 600.0
SHARED_RELEASES = Path("/opt/opencode")
CURRENT, RELEASES = "current", "releases"  # as `opencode upgrade` has them
PROGRAM = "node_modules/.bin/opencode"


@dataclass(frozen=True, slots=True)
class Programs:
    """What was found. ``opencode`` is None when there is none, and ``lacks`` says what to do."""

    opencode: Path | None
    version: str
    ripgrep: Path | None
    lacks: str = ""

    @property
    def proved(self) -> bool:
        """Whether this version is one that the service was tested with."""
        return proved(self.version)

    @property
    def words(self) -> str:
        """Say what it is and how it stands to what was tested."""
        if self.opencode is None:
            return self.lacks
        where = f"OpenCode {self.version or 'of an unknown version'} ({self.opencode})"
        if self.proved:
            return f"{where}: within the proved range, {OLDEST} to {NEWEST}"
        return f"{where}: outside the proved range, {OLDEST} to {NEWEST}"


def find(environ: Mapping[str, str], data_dir: Path, runtime: Path = RUNTIME) -> Programs:
    """Look for the OpenCode that a managed server would be started from."""
    with tempfile.TemporaryDirectory(prefix="setup-") as home:
        try:
            chosen = chosen_program(Folders.under(data_dir).release)
            found = look(environ, runtime, chosen).choose(Path(home))
        except StartError as exc:
            return Programs(None, "", None, str(exc))
        return Programs(found.opencode, version_of(found.opencode, Path(home)), found.ripgrep)


def install_pinned(say: Callable[[str], None]) -> None:
    """Install the pinned OpenCode and ripgrep under the checkout; raises ``StartError``."""
    make = shutil.which("make")
    if make is None or not (ROOT / "Makefile").exists():
        raise StartError(
            f"make and the checkout are needed to install it; else `npm install -g "
            f"opencode-ai@{NEWEST}` puts it on the PATH."
        )
    RUNTIME.mkdir(exist_ok=True)
    say(f"Installing OpenCode {NEWEST} and ripgrep from npm …")
    _run([make, "--no-print-directory", "-C", str(ROOT), "opencode"])


def install_shared(say: Callable[[str], None], root: Path = SHARED_RELEASES) -> Path:
    """Install the newest proved release where a unit of its own finds it; return the program."""
    say(f"Installing OpenCode {NEWEST} into {root} …")
    install(NEWEST, root / RELEASES)
    current = root / CURRENT
    if not current.exists():
        current.unlink(missing_ok=True)
        current.symlink_to(Path(RELEASES) / NEWEST)
    return current / PROGRAM


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(  # noqa: S603  # our own Makefile
            command, capture_output=True, text=True, check=False, timeout=INSTALL_LIMIT_S
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise StartError(f"OpenCode could not be installed: {exc}") from exc
    if done.returncode != 0:
        words = done.stderr.strip().splitlines()
        raise StartError(f"OpenCode could not be installed: {words[-1] if words else 'no word'}")
