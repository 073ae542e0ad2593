"""A small stand-in for an OpenCode release: sessions in SQLite, as many routes as an upgrade asks.

It is installed as a program of its own, beside ``faults.json``: how this release fails, and
whether only ``live`` (not where it is tried out). Each start leaves its version in the database.
"""

import base64
import json
import os
import sqlite3
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

HERE = Path(sys.argv[0]).resolve()
LISTS = {"/agent": [{"name": "build", "mode": "primary"}], "/permission": [], "/question": []}
TABLES = """
    CREATE TABLE IF NOT EXISTS session (id TEXT PRIMARY KEY, directory TEXT, at INTEGER, messages INTEGER);
    CREATE TABLE IF NOT EXISTS opened (version TEXT);
"""


def data():
    return Path(os.environ.get("XDG_DATA_HOME", "nowhere")) / "opencode"


def faults():
    file = HERE.parent / "faults.json"
    found = json.loads(file.read_text()) if file.exists() else {}
    tried = "canary" in str(data())
    return set() if tried and found.get("live") else set(found.get("faults", ()))


def version():
    return "9.9.9" if "lies" in faults() else HERE.parents[2].name


class Server(BaseHTTPRequestHandler):
    """Answers as the release does."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Say nothing."""

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.answer(value=True)

    def do_GET(self):
        wanted = base64.b64encode(
            f"opencode:{os.environ.get('OPENCODE_SERVER_PASSWORD', '')}".encode()
        ).decode()
        path = urlsplit(self.path).path
        if self.headers.get("Authorization") != f"Basic {wanted}":
            self.answer({}, 401)
        elif path == "/global/health":
            self.answer({"healthy": True, "version": version()})
        elif path == "/global/event":
            self.stream()
        elif path in LISTS:
            self.answer(LISTS[path], 500 if "rude" in faults() and path == "/question" else 200)
        elif path in {"/config", "/session/status"}:
            self.answer({})
        elif path.startswith("/session"):
            self.session(path)
        else:
            self.answer({}, 404)

    def session(self, path):
        _, _, session, *rest = [*path.split("/"), ""]
        with sqlite3.connect(data() / "opencode.db") as database:
            rows = database.execute("SELECT id, directory, at, messages FROM session").fetchall()
        if "forgets" in faults():
            rows = []
        if not session:
            wanted = parse_qs(urlsplit(self.path).query)["directory"][0]
            self.answer([described(row) for row in rows if row[1] == wanted])
            return
        for row in rows:
            if row[0] == session:
                self.answer(messages(row) if rest[:1] == ["message"] else described(row))
                return
        self.answer({"name": "NotFoundError", "data": {}}, 404)

    def stream(self):
        if "deaf" in faults():
            self.answer({}, 500)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.wfile.write(b'data: {"payload":{"type":"server.connected","properties":{}}}\n\n')
        threading.Event().wait(60)

    def answer(self, value=None, status=200):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def described(row):
    session, directory, at, _ = row
    return {"id": session, "directory": directory, "time": {"created": at, "updated": at}}


def messages(row):
    count = row[3] - 1 if "shortens" in faults() else row[3]
    return [
        {"info": {"id": f"msg_{n}", "sessionID": row[0], "role": "user"}, "parts": []}
        for n in range(count)
    ]


def main():
    if "--version" in sys.argv:
        sys.stdout.write(f"{version()}\n")
        return 0
    if "dies" in faults():
        sys.stderr.write("no such column: seq\n")
        return 1
    data().mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(data() / "opencode.db") as database:
        database.executescript(f"PRAGMA journal_mode = WAL; {TABLES}")
        database.execute("INSERT INTO opened VALUES (?)", (version(),))
    port = int(sys.argv[sys.argv.index("--port") + 1])
    ThreadingHTTPServer(("127.0.0.1", port), Server).serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
