"""Releases of OpenCode, each installed from npm into a folder of its own, and the chosen one."""

import contextlib
import re
import shutil
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from bot.errors import StartError
from bot.opencode.files import write_durably

PACKAGE = "opencode-ai"
PROGRAM = "node_modules/.bin/opencode"
INSTALL_LIMIT_S = 300.0
VERSION = re.compile(r"\d+\.\d+\.\d+")


def program_of(version: str, root: Path) -> Path:
    """Return where the program of a release is, or would be, below a folder of releases."""
    return root / version / PROGRAM


@dataclass(frozen=True, slots=True)
class Release:
    """Which release is in use. ``version`` is empty where the PATH or the checkout decides.

    ``previous`` was in use before, ``was_chosen`` like this one and not by the PATH; ``backup`` is
    the folder of the data of then, empty where there is no way back any more.
    """

    version: str
    previous: str = ""
    was_chosen: bool = False
    backup: str = ""
    at: int = 0

    @classmethod
    def load(cls, file: Path) -> "Release":
        """Read which one is chosen; none when the file is not there. Raises ``StartError``."""
        try:
            return cls.of(orjson.loads(file.read_bytes()))
        except FileNotFoundError:
            return cls("")
        except (OSError, ValueError, TypeError) as exc:
            raise StartError(
                f"{file} cannot be read; correct it, or remove it to use the OpenCode on the PATH."
            ) from exc

    @classmethod
    def of(cls, facts: dict[str, object]) -> "Release":
        """Return what was written down."""
        return cls(**facts)  # type: ignore[arg-type]  # we wrote it; other keys are a TypeError

    def keep(self, file: Path) -> None:
        """Write it down; from the next start of the server on it counts."""
        write_durably(file, orjson.dumps(asdict(self)))


def chosen_program(file: Path) -> Path | None:
    """Return the program of the chosen release; None where the PATH or the checkout decides."""
    version = Release.load(file).version
    return program_of(version, file.parent / "releases") if version else None


def installed(root: Path) -> list[str]:
    """Return the versions that are installed below a folder of releases, oldest first."""
    found = [path.name for path in root.glob("*") if VERSION.fullmatch(path.name)]
    return sorted(
        (version for version in found if program_of(version, root).exists()), key=number_of
    )


def number_of(version: str) -> tuple[int, ...]:
    """Return a version in the order of versions; what is none comes before all."""
    with contextlib.suppress(ValueError):
        return tuple(int(digits) for digits in version.split("."))
    return ()


def install(version: str, root: Path) -> Path:
    """Install a release below ``root`` unless it is there, and return its program; blocks.

    What is not whole is never seen under the release's name. Raises ``StartError`` with the mend.
    """
    if VERSION.fullmatch(version) is None:
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
        shutil.rmtree(root / version, ignore_errors=True)  # what is left of one without its program
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
