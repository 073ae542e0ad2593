"""``python -m bot.contract``, with programs that cannot start."""

import subprocess
import sys
from pathlib import Path

import pytest

from bot.contract.__main__ import VERSIONS
from bot.opencode.releases import program_of
from tests.contract.program import program

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def run(tmp_path):
    """Run the command over releases none of which starts."""
    for version in VERSIONS:
        program(program_of(version, tmp_path / "releases").parent, "echo broken >&2; exit 1")

    def command(*arguments):
        given = ["--releases", str(tmp_path / "releases"), "--page", str(tmp_path / "page.md")]
        argv = [sys.executable, "-m", "bot.contract", *arguments, *given]
        return subprocess.run(
            argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=100
        )

    return command


def test_a_release_within_the_range_that_does_not_hold_is_a_failure(run, tmp_path):
    done = run("1.18.33")
    assert done.returncode == 1
    assert "FAIL start" in done.stdout
    assert "| `start` | **no** |" in done.stdout
    assert not (tmp_path / "page.md").exists()


def test_one_outside_the_range_is_not(run):
    done = run("1.1.65", "--scenes", "plain", "tools")
    assert done.returncode == 0
    assert "0 of 1 held" in done.stdout
    assert "the page stays as it is" in done.stdout


def test_the_page_is_kept_when_all_of_it_was_run(run, tmp_path):
    done = run()
    assert done.returncode == 1
    text = (tmp_path / "page.md").read_text()
    assert f"| | (1.1.65) | {' | '.join(VERSIONS[1:])} |" in text
    assert text.count("`start`: broken.") == len(VERSIONS)
