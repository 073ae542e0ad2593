"""A systemctl for one unit that really starts and ends a process; it keeps its state beside itself."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(sys.argv[0]).resolve().parent
UNIT = json.loads((HERE / "unit.json").read_text())
PID = HERE / "pid"
END_S = 10.0


def alive(pid):
    with contextlib.suppress(OSError, IndexError):
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def state():
    return "active" if PID.exists() and alive(PID.read_text()) else "inactive"


def show():
    pairs = " ".join(f'"{name}={value}"' for name, value in UNIT["environ"].items())
    argv = " ".join(UNIT["argv"])
    lines = {
        "LoadState": UNIT.get("load", "loaded"),
        "ActiveState": state(),
        "InvocationID": PID.read_text() if PID.exists() else "",
        "ExecStart": f"{{ path={UNIT['argv'][0]} ; argv[]={argv} ; ignore_errors=no ; pid=0 }}",
        "Environment": pairs,
        "User": "",
        "MainPID": PID.read_text() if state() == "active" else "0",
    }
    sys.stdout.write("".join(f"{name}={value}\n" for name, value in lines.items()))


def start():
    if state() == "active":
        return
    child = subprocess.Popen(
        UNIT["argv"],
        env=os.environ | UNIT["environ"] | UNIT["secrets"],
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    PID.write_text(str(child.pid))


def stop():
    if state() == "inactive":
        return
    pid = int(PID.read_text())
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + END_S
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)


def main():
    verb, name, *_ = sys.argv[1:]
    with (HERE / "calls").open("a") as calls:
        calls.write(f"{verb}\n")
    if name != UNIT["name"] or verb in UNIT.get("refuses", ()):
        sys.stderr.write(f"Failed to {verb} {name}: Access denied\n")
        return 1
    {"show": show, "start": start, "stop": stop, "reset-failed": str}[verb]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
