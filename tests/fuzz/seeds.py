"""What each target meets on a good day, and the oldest tricks: where a fuzzer starts from."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from bot.sandbox import corp_xml
from tests.fakes.envelope import Sealer

DATA = Path(__file__).parent.parent / "data"
PRESS = {
    "eventtype": "template_card_event",
    "template_card_event": {
        "card_type": "vote_interaction",
        "event_key": "answer",
        "task_id": "que_1@0a1b",
        "selected_items": {
            "selected_item": [{"question_key": "q", "option_ids": {"option_id": ["1"]}}]
        },
    },
}
CARD = {
    "card_type": "vote_interaction",
    "main_title": {"title": "Which?"},
    "checkbox": {"question_key": "q", "mode": 0, "option_list": [{"id": "1", "text": "Red"}]},
    "submit_button": {"text": "Go", "key": "answer"},
    "task_id": "que_1@0a1b",
}
DEEP = 2_000  # brackets; a fuzzer's inputs are small
WECOM = Sealer()
CORP_ID = "ww5823bf96d3bd56c7"
JSON_TRICKS = (
    b"",
    b"[]",
    b"null",
    b'{"a": NaN}',
    b'{"a": 1e999}',
    b'{"a": ' + b"9" * 5_000 + b"}",
    b'{"a": "\\ud800"}',
    b'{"a": "\xff"}',
    b'{"a": "\\u0000"}',
    b'{"a":' * DEEP,
    b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    b'{"b":"\\ud800","a":' + b"[" * DEEP + b"]" * DEEP + b"}",
)

WHOLE = "root"  # of a process in /proc: a link to the whole file system


def envelopes() -> Iterator[bytes]:
    """Yield queries, signed ciphertexts and blocks; the first letter says which."""
    vectors = json.loads((DATA / "wecom_vectors.json").read_text(encoding="utf-8"))["messages"]
    for vector in vectors:
        query = "&".join(f"{key}={vector[key]}" for key in ("msg_signature", "timestamp", "nonce"))
        yield f"q{query}&echostr={vector['encrypt']}".encode()
        yield f"s{vector['encrypt']}".encode()
    yield b"q" + b"nonce=1&nonce=2&timestamp=%zz&msg_signature=%ff&="
    yield b"s????"
    head = b"r" * 16
    message = head + (7).to_bytes(4, "big") + b"{}     "
    yield b"b" + message + b"\x05" * 5
    yield b"b" + head + (2**31).to_bytes(4, "big") + b"\x0c" * 12
    yield b"b" + head + b"\x00\x00\x00\x00" + b"\x0c" * 12
    yield b"b" + b"\x20" * 64
    yield b"b" + b"x" * 31 + b"\x00"
    yield b"b" + b"x" * 31 + b"\x21"


def plaintexts() -> Iterator[bytes]:
    """Yield what WeCom says, and what it never would."""
    yield from JSON_TRICKS
    head = {"msgid": "M1", "aibotid": "aibX", "from": {"userid": "zhangsan"}}
    group = head | {"chattype": "group", "chatid": "wrTEAM"}
    text = {"msgtype": "text", "text": {"content": "@Open Code /new 你好"}}
    image = {"msgtype": "image", "image": {"url": "https://x.example/a"}}
    mixed = {"msgtype": "mixed", "mixed": {"msg_item": [text, image]}}
    address = {"response_url": "https://qyapi.weixin.qq.com/r?response_code=C"}
    for body in (
        head | {"chattype": "single"} | text | address,
        group | text | {"quote": mixed},
        group | mixed,
        group | {"msgtype": "voice", "voice": {"content": "hi"}, "create_time": 2**60},
        head | {"msgtype": "stream", "stream": {"id": "S1"}},
        head | {"msgtype": "event", "event": {"eventtype": "enter_chat"}},
        head | {"msgtype": "event", "event": PRESS},
        head | {"msgtype": "location", "location": {}},
        {"encrypt": "abc"},
    ):
        yield json.dumps(body, ensure_ascii=False).encode()


def pushed() -> Iterator[bytes]:
    """Yield frames of the long connection."""
    yield from JSON_TRICKS
    headers = {"headers": {"req_id": "R1"}}
    for text in plaintexts():
        with contextlib.suppress(ValueError, RecursionError):
            body = json.loads(text)
            cmd = "aibot_event_callback" if b'"event"' in text else "aibot_msg_callback"
            yield json.dumps({"cmd": cmd, "body": body} | headers).encode()
    yield json.dumps(headers | {"errcode": 0, "errmsg": "ok", "body": {"media_id": "M"}}).encode()
    yield json.dumps(headers | {"errcode": 846609, "errmsg": "not subscribed"}).encode()
    yield json.dumps({"cmd": "disconnected_event", "body": {}} | headers).encode()


def markup() -> Iterator[bytes]:
    """Yield what an application is told, and XML that nobody should read."""
    head = {
        "ToUserName": CORP_ID,
        "FromUserName": "zhangsan",
        "CreateTime": 1_800_000_000,
        "AgentID": 1000002,
    }
    for elements in (
        {"MsgType": "text", "Content": "/new 你好", "MsgId": 42},
        {"MsgType": "image", "PicUrl": "https://x.example/a", "MediaId": "M", "MsgId": 43},
        {"MsgType": "event", "Event": "enter_agent"},
        {"MsgType": "event", "Event": "template_card_event", "EventKey": "allow", "TaskId": "t@1"},
        {"Encrypt": "abc"},
    ):
        yield corp_xml.xml(head | elements)
    yield b'<!DOCTYPE a [<!ENTITY b "c">]><xml><Encrypt>&b;</Encrypt></xml>'
    yield b"<xml>" + b"<a>" * DEEP + b"</a>" * DEEP + b"</xml>"
    yield b"<xml><Encrypt><![CDATA[a]]><![CDATA[b]]></Encrypt><Encrypt>c</Encrypt></xml>"


def words() -> Iterator[bytes]:
    """Yield what people write in front of, behind and around a mention."""
    for text in (
        "@Open Code 你好",
        "@Open\u2005Code /new title",
        "@Zhang San @Open Code /list all",
        "/stop@Open Code all",
        "＠小助手，帮我看看 @小助手",
        "@a b c @d e f @g h i /x",
        "/允许 k7m 一次",
        "帮助",
        "/allow",
        "／切换3",
        "@" * 300,
        "@a " * 200,
        " \u2005\t" * 100 + "@Open Code",
    ):
        yield text.encode()


def _event(kind: str, properties: dict[str, object]) -> bytes:
    payload = {"id": "evt_1", "type": kind, "properties": properties}
    shell = {"directory": "/w", "project": "p", "payload": payload}
    return b"data: " + json.dumps(shell, ensure_ascii=False).encode() + b"\n\n"


def events() -> Iterator[bytes]:
    """Yield an event of each kind, and the turn that they make together."""
    of = {"sessionID": "ses_1", "messageID": "msg_101"}
    info = {"id": "msg_101", "sessionID": "ses_1", "role": "assistant", "parentID": "msg_100"}
    child = {"id": "ses_2", "title": "look (@general subagent)", "parentID": "ses_1"}
    turn = [
        _event("session.status", {"sessionID": "ses_1", "status": {"type": "busy"}}),
        _event("message.updated", {"info": info | {"time": {"created": 1}}}),
        *(_event("message.part.updated", {"part": part | of}) for part in _parts()),
        _event("message.part.delta", of | {"partID": "p1", "field": "text", "delta": "你好"}),
        _event("todo.updated", {"sessionID": "ses_1", "todos": [{"content": "a"}]}),
        _event("session.created", {"info": child}),
        _event("message.part.removed", of | {"partID": "p1"}),
        _event("session.error", {"sessionID": "ses_1", "error": {"name": "X", "data": {}}}),
        _event("permission.asked", {"id": "per_1", "sessionID": "ses_1", "permission": "bash"}),
        _event("question.asked", {"id": "q", "sessionID": "ses_1", "questions": [{}]}),
        _event(
            "session.status",
            {"sessionID": "ses_1", "status": {"type": "retry", "attempt": 2, "next": 1e300}},
        ),
        _event("session.idle", {"sessionID": "ses_1"}),
    ]
    yield b"".join(turn)
    yield from turn
    yield from (b"data: " + trick + b"\n\n" for trick in JSON_TRICKS)
    yield b"data: x\r\ndata: y\r\n\r\n:beat\n\n" + b"data: " + b"x" * 9_000 + b"\n\n"
    yield b'data: {"directory":"/","payload":{"type":"sync","name":"x"}}\n\n'


def _parts() -> Iterator[dict[str, object]]:
    times = {"start": 1, "end": 2}
    state = {"status": "running", "input": {"command": "make"}, "time": times, "title": "t"}
    yield {"id": "p1", "type": "text", "text": "", "time": {"start": 1}}
    yield {"id": "p2", "type": "reasoning", "text": "hmm", "time": times}
    for number, tool in enumerate(
        ("bash", "edit", "write", "read", "grep", "task", "todowrite", "webfetch", "question")
    ):
        given = {"command": "make", "filePath": "/w/a.txt", "pattern": "x", "description": "d"}
        yield {"id": f"t{number}", "type": "tool", "tool": tool, "callID": "c"} | {
            "state": state | {"input": given, "metadata": {"diff": "+a\n-b", "sessionId": "ses_2"}}
        }
    yield {"id": "p3", "type": "patch", "files": ["/w/a.txt"]}
    yield {"id": "p4", "type": "compaction"}
    yield {"id": "p5", "type": "step-finish"}


def answers() -> Iterator[bytes]:
    """Yield what OpenCode answers to questions."""
    yield from JSON_TRICKS
    info = {"id": "msg_1", "sessionID": "ses_1", "role": "assistant", "time": {"completed": 1.5}}
    tokens = {"tokens": {"input": 1, "cache": {"read": 2}}, "error": {"name": "MessageAborted"}}
    part = next(_parts())
    question = {"question": "Which?", "options": [{"label": "Red"}], "multiple": True}
    for body in (
        {"info": info | tokens, "parts": [part]},
        info | {"model": {"providerID": "a", "modelID": "b"}},
        {"id": "ses_1", "title": "t", "directory": "/w", "metadata": {"chat": "x"}},
        {"id": "per_1", "sessionID": "ses_1", "permission": "bash", "patterns": ["ls"]},
        {"id": "q_1", "sessionID": "ses_1", "questions": [question]},
        {"name": "build", "mode": "primary", "model": {"providerID": "a", "modelID": "b"}},
        {"file": "a", "patch": "+x", "additions": 1e400, "status": "added"},
        {"home": "/h", "state": "/s", "config": "/c", "worktree": "/w", "directory": "/w"},
        *_parts(),
    ):
        yield json.dumps(body).encode()


def paths() -> Iterator[bytes]:
    """Yield paths that are there, and the ways that people have tried to get out."""
    for path in (
        *("a.txt", "dir/b.txt", "dir/../a.txt", "../out.txt", "dir/../../out.txt", "/etc/passwd"),
        *("%2e%2e/out.txt", "..%2fout.txt", "%252e%252e%252fout.txt", "..\\out.txt", "link"),
        *("hard", "fifo", "etc/passwd", f"proc/{WHOLE}/etc/passwd", "up/out.txt", ".", "..", "//"),
        *("a.txt%00.html", "a.txt\0", "~/x", "file:///etc/passwd", ".env", ".git/config"),
        *("a/" * 500, "a" * 300, "x.pem", "C:/w/a.txt", "%ff", "%ed%a0%80"),
    ):
        yield path.encode()


def prose() -> Iterator[bytes]:
    """Yield answers: those whose claims are known, and those with something up their sleeve."""
    lines = (DATA / "claims.tsv").read_text(encoding="utf-8").splitlines()
    yield from (line.partition("\t")[2].replace("\\n", "\n").encode() for line in lines[::5])
    for text in (
        "<script>alert(1)</script> [x](javascript:alert(1)) ![p](https://evil.example/p.png)",
        "[d](data:text/html,x) ![](//evil.example/q.png) [up](../../etc/passwd) [z](http://[)",
        "```python\ndef f(): ...\n```\n~~~\nx\n",
        "|a|b|\n|-|-|\n|`1`|2|\n\n1. x\n   - y\n     > z\n",
        "已生成 `a/b.html`、**c.py** 和 [d](d.md:12)，见 https://x.example/e.js。\ue000\ue100",
        "[" * 200 + "](" * 200,
        "*_" * 300,
        "> " * 300 + "x",
        "生成" * 150 + ".py",
        "a/" * 300 + "b.py",
    ):
        yield text.encode()


def links() -> Iterator[bytes]:
    """Yield what looks like a token, or half of one."""
    yield from (b"A" * 32, b"-_" * 16, b"", b"AAAA", "é".encode(), b"A" * 31 + b"=", b"\xff" * 32)


def sandbox() -> Iterator[bytes]:
    """Yield answers as the service gives them, sealed and plain."""
    yield from JSON_TRICKS
    image = {"msgtype": "image", "image": {"base64": "iVBORw0KGgo=", "md5": "x"}}
    stream = {"id": "S", "finish": True, "content": "hi", "feedback": {"id": "f"}}
    for body in (
        {"msgtype": "stream", "stream": stream | {"msg_item": [image]}},
        {"msgtype": "stream_with_template_card", "stream": stream, "template_card": CARD},
        {"msgtype": "template_card", "template_card": CARD},
        {"response_type": "update_template_card", "template_card": CARD, "userids": ["zhangsan"]},
        {"msgtype": "text", "text": {"content": "<think>x"}},
        {"msgtype": "markdown", "markdown": {"content": "\ud800", "feedback": {"id": "x" * 300}}},
    ):
        plain = json.dumps(body).encode()
        yield plain
        encrypted = WECOM.encrypt(plain)
        signature = WECOM.sign("1700000000", "1372623149", encrypted)
        shell = {"encrypt": encrypted, "msgsignature": signature, "timestamp": 1700000000}
        yield json.dumps(shell | {"nonce": "1372623149"}).encode()
