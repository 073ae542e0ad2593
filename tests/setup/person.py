"""Somebody at a terminal, who runs the wizard: a real process behind a real pseudo-terminal."""

import asyncio
import os
import re
import sys
from pathlib import Path

import pexpect

ROOT = Path(__file__).parents[2]
KEPT = ("PATH", "COVERAGE_FILE", "COVERAGE_PROCESS_CONFIG")
ROWS, COLUMNS = 60, 160  # so wide that no line is broken
PATIENCE_S = 60
CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\r")
ENTER, DOWN, CLEAR, CTRL_C = "\r", "\x1b[B", "\x15", "\x03"
BROKEN = re.compile(r"Traceback|Error: ")


def environment(folder, **more):
    """Return the environment of a person who has nothing set up yet."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    plain = {"HOME": str(home), "TERM": "xterm-256color", "PROMPT_TOOLKIT_NO_CPR": "1"}
    return {**kept, **plain, "LANG": "C.UTF-8", "PYTHONPATH": str(ROOT), **more}


class Person:
    """Reads what the wizard shows and types; each wait ends by the words that it waits for."""

    def __init__(self, *arguments, folder, **environ):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.seen = ""
        self._child = pexpect.spawn(
            sys.executable,
            ["-m", "bot", *arguments],
            cwd=str(folder),
            env=environment(folder, **environ),
            dimensions=(ROWS, COLUMNS),
            encoding="utf-8",
            timeout=PATIENCE_S,
        )
        self._child.logfile_read = self

    def write(self, text):
        """Keep all that the terminal was sent."""
        self.seen += text

    def flush(self):
        """Be a file, as pexpect wants it."""

    @property
    def read(self):
        """Return what was shown, as somebody reads it."""
        return CODES.sub("", self.seen)

    async def sees(self, words):
        """Wait until it is shown; returns the match of a pattern."""
        pattern = words if isinstance(words, re.Pattern) else re.compile(re.escape(words))
        try:
            await asyncio.to_thread(self._child.expect, pattern)
        except (pexpect.TIMEOUT, pexpect.EOF) as exc:
            raise AssertionError(f"{words!r} never came; instead:\n{self.read[-3000:]}") from exc
        return self._child.match

    def types(self, keys):
        self._child.send(keys)

    async def answers(self, question, text):
        """Put another answer in the place of what is proposed."""
        await self.sees(question)
        self.types(CLEAR + text + ENTER)

    async def accepts(self, *questions):
        """Take what is proposed."""
        for question in questions:
            await self.sees(question)
            self.types(ENTER)

    async def chooses(self, question, option, *, downs):
        """Go down a list to an option."""
        await self.sees(question)
        await self.sees(option)
        self.types(DOWN * downs + ENTER)

    async def says(self, question, yes):
        await self.sees(question)
        self.types("y" if yes else "n")

    async def leaves(self):
        """Wait for the end; returns the exit code."""
        await asyncio.to_thread(self._child.expect, pexpect.EOF)
        await asyncio.to_thread(self._child.wait)
        assert not BROKEN.search(self.read), self.read
        return self._child.exitstatus

    def end(self):
        """End it, whatever it does."""
        if self._child.isalive():
            self._child.terminate(force=True)
        self._child.close()


async def to_wecom(person, fake, port):
    """Answer all questions before those about WeCom's credentials."""
    await person.accepts("How shall the service run?")
    await by_a_server(person, fake, port)


async def by_callback(person, *, chosen=False):
    """Let the bot have its callback, and have no application. ``chosen``: it is proposed."""
    await person.chooses("How shall messages come in?", "by its callback URL", downs=not chosen)
    await person.accepts("A self-built application")


async def by_a_server(person, fake, port, *, chosen=False):
    """Name a server that runs already, and where the service is reached."""
    await person.chooses("How shall OpenCode run?", "A server that runs", downs=2)
    await person.answers("Its URL:", fake.url)
    await person.accepts("Its user name:")
    await person.answers("Its password:", fake.password)
    await by_callback(person, chosen=chosen)
    await person.accepts("Address to listen on:")
    await person.answers("Port to listen on:", str(port))
    await person.answers("Public URL, as WeCom", f"http://127.0.0.1:{port}")
    await person.says("all the same?", yes=True)


async def past_connect(person):
    """Accept all that comes behind WeCom's request, up to the review."""
    await person.accepts("Administrators", "Maintainers", "Members")
    await person.accepts("Where shall agents work?", "Folder that holds them:")
    await person.accepts("Model (empty", "Agent (empty")


async def through_again(person, *, wait=False):
    """Accept what is proposed, from the first step of a repeated run to the review."""
    await person.accepts("How shall OpenCode run?", "Its URL:", "Its user name:", "Its password:")
    await person.accepts("How shall messages come in?", "A self-built application")
    await person.accepts("Address to listen on:", "Port to listen on:", "Public URL, as WeCom")
    await person.says("all the same?", yes=True)
    await person.accepts("Token and EncodingAESKey:", "The bot's name", "The bot's id")
    await person.says("Wait here for WeCom's request?", yes=wait)
