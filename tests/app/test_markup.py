"""The XML of the application's callback, held against the vendor's samples and against hostile ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import BadEnvelope
from handlers.wecom.app import markup
from handlers.wecom.envelope import Envelope
from tests.fakes.envelope import AES_KEY, TOKEN, Sealer

CORP_ID = "wx5823bf96d3bd56c7"  # of WeCom's published sample
SAMPLE = (  # from the sample program of https://developer.work.weixin.qq.com/document/path/90968
    b"<xml><ToUserName><![CDATA[wx5823bf96d3bd56c7]]></ToUserName>\n<Encrypt><![CDATA["
    b"RypEvHKD8QQKFhvQ6QleEB4J58tiPdvo+rtK1I9qca6aM/wvqnLSV5zEPeusUiX5L5X/0lWfrf0QADHHhGd3QczcdCUp"
    b"j911L3vg3W/sYYvuJTs3TUUkSUXxaccAS0qhxchrRYt66wiSpGLYL42aM6A8dTT+6k4aSknmPj48kzJs8qLjvd4Xgpue06"
    b"DOdnLxAUHzM6+kDZ+HMZfJYuR+LtwGc2hgf5gsijff0ekUNXZiqATP7PF5mZxZ3Izoun1s4zG4LUMnvw2r+KqCKIw+3IQH"
    b"03v+BCA9nMELNqbSf6tiWSrXJB3LAVGUcallcrw8V2t9EL4EhzJWrQUax5wLVMNS0+rUPA3k22Ncx4XXZS9o0MBH27Bo6B"
    b"pNelZpS+/uh9KsNlY6bHCmJU9p8g7m3fVKn28H3KDYA5Pl/T8Z1ptDAVe0lXdQ2YoyyH2uyPIGHBZZIs2pDBS8R07+qN+E"
    b"7Q==]]></Encrypt>\n<AgentID><![CDATA[218]]></AgentID>\n</xml>"
)


def element(name, value):
    return f"<{name}><![CDATA[{value}]]></{name}>".encode()


def inner(*elements):
    return b"<xml>" + b"".join(elements) + b"</xml>"


TEXT = inner(element("MsgType", "text"), element("Content", "hello"))


def test_the_vendors_sample_is_opened():
    envelope = Envelope(TOKEN, AES_KEY, CORP_ID)
    encrypted = markup.ciphertext(SAMPLE)
    signature = b"477715d11cdb4164915debcba66cb864d751f3e6"
    found = markup.fields(envelope.open(signature, b"1409659813", b"1372623149", encrypted))
    assert (found["FromUserName"], found["Content"], found["AgentID"]) == (
        "mycreate",
        "hello",
        "218",
    )


@pytest.mark.parametrize("receiver", ["", "ww-another", CORP_ID + "x"])
def test_what_was_sealed_for_another_corp_is_not_believed(receiver):
    wecom = Sealer(receive_id=receiver)
    encrypted = wecom.encrypt(TEXT)
    signature = wecom.sign("1409659813", "n", encrypted).encode()
    with pytest.raises(BadEnvelope, match="receiver"):
        Envelope(TOKEN, AES_KEY, CORP_ID).open(signature, b"1409659813", b"n", encrypted.encode())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<xml></xml>",
        b"<xml><Encrypt></Encrypt></xml>",
        b"<xml><Encrypt><![CDATA[]]></Encrypt></xml>",
        b"<xml><Encrypt><![CDATA[a b]]></Encrypt></xml>",
        b"<xml><Encrypt>QUJD</Encrypt><Encrypt>QUJD</Encrypt></xml>",
        b'{"encrypt":"QUJD"}',
        b"\xff\xfe<\0x\0m\0l\0>\0",
        b"<Encrypt>" * 100_000,
        b"<![CDATA[" * 100_000,
    ],
)
def test_what_is_no_shell_is_refused(body):
    with pytest.raises(BadEnvelope):
        markup.ciphertext(body)


LAUGHS = b"".join(b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 10))
HOSTILE = [
    b'<!DOCTYPE x [<!ENTITY l0 "ha">' + LAUGHS + b"]><xml><MsgType>&l9;</MsgType></xml>",
    b'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><xml><MsgType>&f;</MsgType></xml>',
    b'<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd"><xml><MsgType>text</MsgType></xml>',
    b'<!DOCTYPE x [<!ENTITY % p SYSTEM "http://127.0.0.1:1/p">%p;]><xml></xml>',
    b'<?xml version="1.0"?><!doctype x><xml><MsgType>text</MsgType></xml>',
    b"<?x <![CDATA[ ?><!DOCTYPE x><?y ]]> ?><xml><MsgType>text</MsgType></xml>",
    b"<!-- <![CDATA[ --><!DOCTYPE x><!-- ]]> --><xml><MsgType>text</MsgType></xml>",
    b'<?xml <![CDATA[ version="1.0"?><!DOCTYPE x>]]>?><xml><MsgType>text</MsgType></xml>',
    b"<xml><!<![CDATA[]]>DOCTYPE x><MsgType>text</MsgType></xml>",
]


@pytest.mark.parametrize("bomb", HOSTILE)
def test_x3_declarations_are_refused_before_anything_is_parsed(bomb):
    for read in (markup.ciphertext, markup.fields):
        with pytest.raises(BadEnvelope, match="xml"):
            read(bomb)


@pytest.mark.parametrize("words", ["<!DOCTYPE html><p>", "<!ENTITY x>", "<?php echo 1 ?>", "a<b"])
def test_what_a_person_pasted_may_look_like_a_declaration(words):
    found = markup.fields(inner(element("MsgType", "text"), element("Content", words)))
    assert found["Content"] == words


@pytest.mark.parametrize(
    "plaintext",
    [
        b"",
        b"no xml",
        b"<xml>",
        b"<xml/>",
        b"<xml>text</xml>",
        b"<other><MsgType>text</MsgType></other>",
        b"<xml><Content>no type</Content></xml>",
        b"<xml><MsgType/></xml>",
        b"<xml><MsgType><a/></MsgType></xml>",
        b"<xml><MsgType>a</MsgType><MsgType>b</MsgType></xml>",
        b"<xml><MsgType>event</MsgType></xml>",
        b"<xml><MsgType>\xff</MsgType></xml>",
        b"<xml><MsgType>&undefined;</MsgType></xml>",
        b"<xml><Content><![CDATA[never closed",
        b"<a>" * 100_000,
    ],
)
def test_what_is_no_message_is_a_bad_envelope(plaintext):
    with pytest.raises(BadEnvelope):
        markup.fields(plaintext)


@given(st.binary(max_size=300))
def test_rubbish_is_a_bad_envelope_and_nothing_else(rubbish):
    for read in (markup.ciphertext, markup.fields):
        try:
            read(rubbish)
        except BadEnvelope:
            continue


WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=200)


@given(WORDS, WORDS)
def test_an_answer_says_what_it_was_made_of(words, to):
    reply = markup.text_reply(words, to=to, corp_id=CORP_ID, at_s=7)
    found = markup.fields(reply)
    # A parser takes blanks at the ends off where a client would not.
    assert (found["Content"] or "").strip() == words.strip()
    assert (found["ToUserName"] or "").strip() == to.strip()
    assert (found["FromUserName"], found["CreateTime"]) == (CORP_ID, "7")


def test_what_xml_cannot_say_is_left_out_of_an_answer():
    reply = markup.text_reply("a\0b\x1bc\nd]]>e", to="z", corp_id=CORP_ID, at_s=7)
    assert markup.fields(reply)["Content"] == "abc\nd]]>e"


def test_the_shell_of_an_answer_is_wecoms():
    assert markup.shell(b"QUJD", b"f" * 40, b"7", b"n") == (
        b"<xml><Encrypt><![CDATA[QUJD]]></Encrypt><MsgSignature><![CDATA["
        + b"f" * 40
        + b"]]></MsgSignature><TimeStamp>7</TimeStamp><Nonce><![CDATA[n]]></Nonce></xml>"
    )
