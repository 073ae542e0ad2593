"""An installation with a stand-in for OpenCode: three chats with a session each, no service running."""

import asyncio
import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from bot.opencode import process
from bot.opencode.environment import Folders
from bot.opencode.identity import Identity
from bot.opencode.releases import Release, program_of
from bot.upgrade.journal import load
from config.settings import load_settings
from store import open_store
from store.records import NewChat, NewInbound
from tests.rehearse.theatre import Ran

ROOT = Path(__file__).parents[2]
QUICK = f"#!{sys.executable} -IS"  # the standard library alone
PROGRAM = ROOT / "tests/upgrade/program.py"
OLD, NEW = "1.14.41", "1.18.33"
AT = 1_790_000_000_000
CHATS = ("zhang", "li", "wang", "zhao")


@dataclass
class House:
    """The folder, and what an operator does there."""

    folder: Path
    operator: "Operator"

    @property
    def data(self):
        return self.folder / "data"

    @property
    def folders(self):
        return Folders.under(self.data)

    @property
    def opencode(self):
        """The data folder of the server."""
        return self.folders.xdg("data") / "opencode"

    @property
    def environ(self):
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "PYTHONPATH": str(ROOT),
            "BOT_DATA_DIR": str(self.data),
            "BOT_PORT": "1",  # nobody listens there: the service is down
        }

    @property
    def settings(self):
        return load_settings(None, self.environ)

    def install(self, *versions, root=None):
        for version in versions:
            program = program_of(version, root or self.folders.releases)
            program.parent.mkdir(parents=True)
            program.write_text(f"{QUICK}\n" + PROGRAM.read_text())
            program.chmod(0o755)

    def spoil(self, version, *faults, live=False, root=None):
        """Have a release fail, everywhere or only where it has the real data."""
        place = program_of(version, root or self.folders.releases).parent / "faults.json"
        place.write_text(json.dumps({"faults": faults, "live": live}))

    def mend(self, version, root=None):
        self.spoil(version, root=root)

    def choose(self, version):
        Release(version).keep(self.folders.release)

    def query(self, sql, *arguments):
        with sqlite3.connect(self.opencode / "opencode.db") as database:
            return database.execute(sql, arguments).fetchall()

    def add_session(self, session, messages=3, at=AT, directory="/srv/work"):
        self.opencode.mkdir(parents=True, exist_ok=True)
        self.query(
            "CREATE TABLE IF NOT EXISTS session"
            " (id TEXT PRIMARY KEY, directory TEXT, at INTEGER, messages INTEGER)"
        )
        self.query("INSERT INTO session VALUES (?, ?, ?, ?)", session, directory, at, messages)

    @property
    def sessions(self):
        return {row[0]: row[1] for row in self.query("SELECT id, messages FROM session")}

    @property
    def opened(self):
        """The versions that have opened the data, in order."""
        return [row[0] for row in self.query("SELECT version FROM opened ORDER BY rowid")]

    @property
    def chosen(self):
        return Release.load(self.folders.release).version

    @property
    def journal(self):
        return load(self.folders.journal)

    @property
    def backups(self):
        folder = self.data / "backups"
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []

    def left_running(self):
        """The processes of servers that nobody ended."""
        found = []
        for folders in (self.folders, Folders.under(self.folders.canary)):
            identity = Identity.load(folders.identity)
            found += process.marked(identity.variable) if identity else []
        return found

    async def map_chats(self):
        """Give each chat a session in our database."""
        self.data.mkdir(parents=True, exist_ok=True)
        async with await open_store(f"sqlite:///{self.data}/bot.db") as store:
            for n, name in enumerate(CHATS):
                key = f"wecom:direct:{name}"
                chat = NewChat(key, "wecom", "direct", name, name, "zh", AT + n)
                inbound = NewInbound(
                    f"m{n}", key, name, "prompt", "", "", None, "", True, "", AT + n
                )
                await store.inbox.accept(inbound, chat, None)
                session = f"ses_{name}"
                await store.sessions.put(key, 0, session, name, "/srv/work", AT + n)
                self.add_session(session, messages=n + 2)

    @property
    def output(self):
        """What the command has said so far."""
        file = self.folder / "output.txt"
        return file.read_text() if file.exists() else ""

    async def opencode_command(self, *arguments, **environ):
        """Run ``opencode …``; the contract's place is taken by ``TEST_CONTRACT``."""
        output = self.folder / "output.txt"
        code = await asyncio.to_thread(
            self.operator.run,
            {
                "arguments": ["opencode", *arguments],
                "environ": self.environ | environ,
                "output": str(output),
            },
        )
        return Ran(code, output.read_text(), 0.0)


@dataclass
class Operator:
    """Runs commands, one at a time, in processes of their own."""

    process: subprocess.Popen

    def run(self, wish):
        self.process.stdin.write(f"{json.dumps(wish)}\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


@contextlib.contextmanager
def operating():
    """Have an operator at hand."""
    argv = (sys.executable, "-m", "tests.upgrade.operator")
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        yield Operator(process)
        process.stdin.close()
