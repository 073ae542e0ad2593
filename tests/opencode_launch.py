"""Launches of a managed server that are planned and not run, and programs of a test's own."""

import os

from bot.opencode.binaries import Programs
from bot.opencode.environment import Folders, Wishes, plan
from bot.opencode.probe import Address

ADDRESS = Address("http://127.0.0.1:4567", "opencode", "the-password")
PATH = os.environ["PATH"]


def launch_in(tmp_path, environ, wishes=None):
    folders = Folders.under(tmp_path / "data")
    programs = Programs(tmp_path / "opencode", tmp_path / "tools/rg")
    return folders, plan(folders, programs, environ, wishes or Wishes(), ADDRESS, "m1")


def program(folder, name, says):
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\necho {says}\n")
    file.chmod(0o755)
    return file
