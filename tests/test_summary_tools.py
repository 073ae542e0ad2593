"""What the uses of tools come to."""

import pytest

from bot.opencode.model import OtherPart, PatchPart
from tests.turn_events import answering, bash, begun, child, folded, part, tool

FILE = "/srv/w/app.py"


def test_edits_are_counted_however_the_tool_tells_them():
    diff = {"file": FILE, "additions": 3, "deletions": 1}
    summary = answering(
        tool("edit", "prt_1", metadata={"filediff": diff}),
        tool("multiedit", "prt_2", metadata={"results": [{"filediff": diff}]}),
        tool("apply_patch", "prt_3", metadata={"files": [{"filePath": "/w/b", "additions": 2}]}),
        tool(
            "write",
            "prt_4",
            input={"filePath": "/w/new", "content": "a\nb"},
            metadata={"exists": False},
        ),
        tool(
            "write",
            "prt_5",
            input={"filePath": "x"},
            metadata={"filepath": "/w/old", "exists": True},
        ),
        tool("write", "prt_6", "running", input={"filePath": "/w/soon"}),
        tool("edit", "prt_7", "error", input={"filePath": "/w/never"}),
        tool("write", "prt_8"),
        PatchPart((FILE, "/w/by-command"), "prt_9"),
        OtherPart("step-start", "prt_10"),
    )
    assert summary.edits == {
        FILE: (6, 2),
        "/w/b": (2, 0),
        "/w/new": (2, 0),
        "/w/old": (0, 0),
        "/w/by-command": (0, 0),
    }
    assert summary.touched == tuple(summary.edits)


def test_a_sub_agents_edits_count_as_the_turns():
    write = tool("write", input={"filePath": "/w/c"}, metadata={"exists": False})
    assert folded(child(), part(write, "msg_900", "ses_2")).touched == ("/w/c",)


def test_reads_searches_and_effects_are_counted():
    summary = answering(
        tool("read", "prt_1", input={"filePath": "a"}),
        tool("read", "prt_2", input={"filePath": "a"}),
        tool("grep", "prt_3", input={"pattern": "x"}),
        tool("invalid", "prt_4"),
        bash("make", "prt_5"),
        bash("ls", "prt_6"),
        tool("skill", "prt_7", "running", title="demo"),
    )
    assert (summary.reads, summary.searches, summary.finished_tools) == (1, 1, 3)
    assert [t.label for t in summary.tools_running] == ["make", "ls", "demo"]
    assert summary.command.label == "ls"
    assert begun().command is None


@pytest.mark.parametrize("status", ["completed", "error"])
def test_a_refused_tool_is_told_from_a_failed_one(status):
    refused = "The user rejected permission to use this specific tool call."
    (found,) = answering(tool(status=status, error=refused)).own_tools()
    assert found.refused
    (found,) = answering(tool(status=status, error="No such file")).own_tools()
    assert not found.refused
