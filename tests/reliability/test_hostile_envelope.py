"""X1, X6, X7: callbacks that are malformed, forged or old get one bare answer and start nothing."""

import ast
import json

import aiohttp
import pytest

from bot.sandbox.cipher import Cipher
from tests.fakes.edge import until
from tests.fakes.envelope import Sealer
from tests.reliability.callbacks import (
    Clock,
    exchange,
    message,
    post,
    sealed,
    stream_of,
    undated,
)
from tests.source_facts import ROOT, sources
from tests.wecom_fixtures import AES_KEY, BOT_ID, TOKEN

DEEP = 100_000
WECOM = Sealer(TOKEN, AES_KEY)
HOUR_MS = 3_600_000


@pytest.fixture
async def quiet(make_bot, fake):
    """A service whose OpenCode nobody needs."""
    return await make_bot(fake)


def spoilt_signature():
    query, body = sealed(message("hello"))
    return query | {"msg_signature": "0" * 40}, body


def cut(places):
    class Careless(Cipher):
        def encrypt(self, plain):
            return super().encrypt(plain)[:-places]

    return lambda: sealed(message("hello" * 20), cipher=Careless(TOKEN, AES_KEY))


def signed(encrypted):
    query = dict(pair.split("=") for pair in WECOM.query(encrypted, nonce="n").split("&"))
    return query, json.dumps({"encrypt": encrypted}).encode()


def blocks(content):
    return lambda: signed(WECOM.encrypt_blocks(content))


def with_query(change):
    def spoil():
        query, body = sealed(message("hello"))
        return change("&".join(f"{key}={value}" for key, value in query.items())), body

    return spoil


def of_shell(body):
    return lambda: (sealed(b"{}")[0], body)


ENVELOPES = {
    "wrong signature": spoilt_signature,
    "signed with another token": lambda: sealed(message("hello"), cipher=Cipher("other", AES_KEY)),
    "the padding is missing": cut(32),
    "no whole block": cut(1),
    "a padding of 0": blocks(b"x" * 31 + b"\0"),
    "a padding of 33": blocks(b"x" * 31 + b"\x21"),
    "a padding that is not the same all over": blocks(b"x" * 30 + b"\x01\x02"),
    "a padding and nothing else": blocks(b"\x20" * 32),
    "a length beyond the end": blocks(b"r" * 16 + b"\xff" * 4 + b"\x0c" * 12),
    "a length one too long": blocks(b"r" * 16 + b"\0\0\0\1" + b"\x0c" * 12),
    "a length into the random": lambda: signed(WECOM.encrypt_blocks(b"\x14" * 32)),
    "wrong receiver": lambda: sealed(message("hello"), receive_id=b"ww1234567890abcdef"),
    "no base64": lambda: signed("????"),
    "base64 with a blank": lambda: signed("Y Q=="),
    "an empty ciphertext": lambda: signed(""),
    "no query": lambda: ({}, sealed(message("hello"))[1]),
    "no signature": with_query(lambda query: query.replace("msg_signature", "signature")),
    "no timestamp": with_query(lambda query: query.replace("timestamp", "time")),
    "no nonce": with_query(lambda query: query.replace("nonce", "once")),
    "two signatures": with_query(lambda query: f"{query}&msg_signature=x"),
    "two equal nonces": with_query(lambda query: f"{query}&nonce=n"),
    "two timestamps": with_query(lambda query: f"timestamp=1&{query}"),
    "a timestamp that is no number": with_query(lambda q: q.replace("timestamp=", "timestamp=-")),
    "a timestamp too long": with_query(lambda q: q.replace("timestamp=", f"timestamp={'1' * 400}")),
    "a query without sense": with_query(lambda _: "&&==&%zz=%"),
    "no json": of_shell(b"<xml/>"),
    "nothing": of_shell(b""),
    "a list": of_shell(b"[]"),
    "a ciphertext that is a number": of_shell(b'{"encrypt": 7}'),
    "not utf-8": of_shell(b'{"encrypt": "\xff\xfe"}'),
    "deep shell": of_shell(b'{"encrypt":' + b"[" * DEEP + b"]" * DEEP + b"}"),
    "shell with NaN": of_shell(b'{"encrypt": "x", "a": NaN}'),
    "deep message": lambda: sealed(b'{"msgtype":' + b"[" * DEEP + b"]" * DEEP + b"}"),
    "half a deep message": lambda: sealed(b'{"msgtype":' + b"[" * DEEP),
    "message with NaN": lambda: sealed(message("hello")[:-1] + b', "a": NaN}'),
    "message with a huge number": lambda: sealed(
        message("hello")[:-1] + b', "a": %b}' % (b"9" * 999)
    ),
    "message not utf-8": lambda: sealed(b'{"msgtype": "text", "x": "\xff\xfe"}'),
    "lone surrogate": lambda: sealed(b'{"msgtype": "text", "x": "\\ud800"}'),
    "message is a list": lambda: sealed(b"[1]"),
    "message is nothing": lambda: sealed(b""),
    "message of another bot": lambda: sealed(message("hello").replace(BOT_ID.encode(), b"aibY")),
    "message without an id": lambda: sealed(message("hello", msgid="")),
    "message with an endless id": lambda: sealed(message("hello", msgid="x" * 5000)),
    "old": lambda: sealed(message("hello"), at=1_700_000_000),
}


async def test_x1_no_bad_envelope_is_believed_and_none_learns_why(quiet, fake):
    answers = {}
    for name, spoil in ENVELOPES.items():
        answers[name] = undated(await exchange(quiet.url, post(*spoil())))
    bare = answers["wrong signature"]
    assert bare.startswith(b"HTTP/1.1 403 ")
    assert bare.endswith(b"\r\n\r\n")  # no word about the reason
    assert {name for name, answer in answers.items() if answer != bare} == set()
    assert await quiet.store.inbox.find("m1") is None
    assert await quiet.store.turns.get(1) is None
    assert "OK" in await (await quiet.wecom.say("zhangsan", "still there?")).done()
    assert [prompt.text for prompt in fake.prompts] == ["still there?"]


@pytest.mark.parametrize("query", ["nonce=\xff\xfe&timestamp=1", "nonce=\xe9", "\x00", "a b c"])
async def test_x1_a_query_that_no_client_would_write_is_refused_bare(quiet, query, capsys, caplog):
    answer = await exchange(quiet.url, post(query, b"{}"))
    assert answer.startswith((b"HTTP/1.1 40", b"HTTP/1.0 40"))
    assert b"Traceback" not in answer
    assert "Traceback" not in caplog.text + capsys.readouterr().out


async def test_x1_a_bad_padding_is_told_only_to_who_could_sign(quiet):
    """There is no padding oracle: without the Token every ciphertext is a wrong signature."""
    for content in (b"x" * 31 + b"\x21", b"x" * 31 + b"\x01", b"\x20" * 32):
        query, body = signed(WECOM.encrypt_blocks(content))
        query["msg_signature"] = "0" * 40
        await exchange(quiet.url, post(query, body))
    assert quiet.service.edge.counts == {"refused signature": 3}


async def test_x6_a_replay_has_the_answer_of_the_first_and_an_old_stranger_none(make_bot, fake):
    clock = Clock()
    bot = await make_bot(fake, options={"clock": clock})
    query, body = sealed(message("hello"))
    first = stream_of(await bot.wecom.send_raw(query=query, body=body))
    await until(lambda: bot.turns.ended["answered"])
    clock.ahead_ms = HOUR_MS
    again = stream_of(await bot.wecom.send_raw(query=query, body=body))
    assert again["id"] == first["id"]
    assert len(fake.prompts) == 1
    assert await bot.store.turns.get(2) is None
    query, body = sealed(message("hello again", msgid="m2"))
    assert (await bot.wecom.send_raw(query=query, body=body)).status == 403
    assert await bot.store.inbox.find("m2") is None
    async with aiohttp.ClientSession() as http, http.get(f"{bot.url}/metrics") as answer:
        assert 'bot_callbacks_total{outcome="refused stale"} 1.0' in await answer.text()


def test_x7_a_signature_a_token_and_a_mac_are_compared_in_constant_time_alone():
    """What the timings say stands in the benchmarks; here the source must say it."""
    secret = ("signature", "token", "mac", "_token", "password", "secret")
    found, constant = [], []
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "hmac.compare_digest":
                constant.append(path.relative_to(ROOT).as_posix())
            if not isinstance(node, ast.Compare):
                continue
            sides = [
                ast.unparse(side).rpartition(".")[2] for side in (node.left, *node.comparators)
            ]
            equal = any(isinstance(op, ast.Eq | ast.NotEq | ast.In | ast.NotIn) for op in node.ops)
            if equal and not any(side in {"''", "None"} for side in sides):
                found += [f"{path.name}: {ast.unparse(node)}" for side in sides if side in secret]
    assert found == []
    assert {"handlers/wecom/envelope.py", "handlers/guard.py", "bot/links.py"} <= set(constant)
