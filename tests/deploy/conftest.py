"""The tools that judge what is deployed; what is not installed is said and skipped."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

LIMIT_S = 60
PLACES = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))


@pytest.fixture
def judge():
    """Run a tool: ``judge("promtool", "check", "rules", file)`` returns its code and its words."""

    def run(name, *arguments, package, folder=None):
        program = shutil.which(name, path=PLACES)
        if program is None:
            pytest.skip(f"{name} is not installed (Debian: apt install {package})")
        done = subprocess.run(
            [program, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
            cwd=folder,
        )
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.fixture
def root():
    return Path(__file__).parents[2]
