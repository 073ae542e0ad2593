"""The command as its tests run it: the real one, but for the contract, which no stand-in could keep.

Each runs in a process of its own that a test may kill.
"""

import json
import os
import sys

import coverage

from bot import __main__ as command
from bot.contract import Outcome
from bot.opencode import hold, server_managed
from bot.upgrade import canary, engine, managed, move, sessions

# What an operator would wait for.
SHORT = {
    hold: {"LOOK_S": 0.05},
    server_managed: {"LOOK_S": 0.05},
    sessions: {"FEED_S": 2.0},
    move: {"LOOK_S": 0.05},
    engine: {"LOOK_S": 0.05, "READY_S": 20.0},
    managed: {"LOOK_S": 0.05, "READY_S": 20.0},
    canary: {"READY_S": 20.0, "LOOK_S": 0.1},
}


async def prove(program, room, *, short=False, scenes=None):
    """Say what the test wants to hear of the contract; a list for each time that it is asked."""
    assert short is not bool(scenes)
    assert program.exists()
    assert "canary" in str(room)
    first, second = json.loads(os.environ.get("TEST_CONTRACT", "[[], []]"))
    broken = second if scenes else first
    return [Outcome("start", held=True, words=""), *(Outcome(*one) for one in broken)]


def shorten():
    for module, values in SHORT.items():
        for name, value in values.items():
            assert hasattr(module, name), f"{module.__name__} has no {name}"
            setattr(module, name, value)
    canary.prove = prove


def run(wish):
    """Run one command in this process, which is a child of its own, and end."""
    os.environ.clear()
    os.environ.update(wish["environ"])
    out = os.open(wish["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for stream in (1, 2):
        os.dup2(out, stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    code = 1
    try:
        code = command.main(wish["arguments"])
    finally:
        sys.stdout.flush()
        if (measured := coverage.Coverage.current()) is not None:
            measured.stop()
            measured.save()
        os._exit(code)


def main():
    """Run the commands that standard input asks for, each in a child: nothing is imported twice."""
    shorten()
    for line in sys.stdin:
        child = os.fork()
        if not child:
            run(json.loads(line))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
