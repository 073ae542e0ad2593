"""What differs between the channels: how the service is reached, what is an acknowledgement, what an end."""

import json
import secrets

from bot.clock import now_ms
from bot.sandbox import corp_xml
from bot.sandbox.caller import NotAnswered
from bot.sandbox.gateway_quota import Quota
from bot.sandbox.payloads import Origin
from bot.texts import delivery as delivery_texts
from tests.wecom_fixtures import BOT_ID

CODE = "E-NOT-KEPT"
FASTER = 10  # time runs so much faster for limits a minute and an hour, here and in the service
PROBE = "boss"  # who looks whether the service answers
OK = 200
NO_BUBBLE = "no bubble"
assert CODE in delivery_texts.NOT_KEPT.en


class Callback:
    """WeCom calls, repeats what was not answered, and asks for the bubble."""

    name = "callback"
    path = "/wecom/bot"
    groups = True
    repeats = True
    forgets = False

    def hurry(self, standin):
        """Let a minute's limits last for seconds."""

    async def ready(self, standin, limit_s):
        """Wait until the service that listens can be told something."""

    async def replies(self, standin):
        """Tell whether the service answers."""
        question = Origin(BOT_ID, PROBE).poll("drill", "drill")
        return await _is_ok(standin, json.dumps(question).encode())

    def taken(self, talk):
        """Tell whether a message was acknowledged."""
        return talk.said.state == "delivered"

    def over(self, talk):
        """Tell whether nothing of a message's bubbles is open."""
        return talk.over

    def bubbles(self, talk):
        """Return its bubbles, the oldest first."""
        return [talk.bubble] if talk.bubble is not None else []

    def streams(self, talk):
        """Return the streams that its answers named, of which there must be one."""
        return tuple(talk.streams)

    def last(self, talk, later):
        """Return what its last bubble ended with, None while it is open."""
        del talk
        return later[0] if later else None

    def id_of(self, talk):
        """Return the id by which the service keeps it."""
        return talk.msgid


class Connection(Callback):
    """We hold a socket; WeCom says everything once, and people who were not heard write again."""

    name = "connection"
    repeats = False
    forgets = True

    def hurry(self, standin):
        standin.gateway.replies.quota = Quota(_fast)

    async def ready(self, standin, limit_s):
        await standin.gateway.until_connected(limit_s)

    async def replies(self, standin):
        if not standin.gateway.connected:
            return False
        origin, msgid = Origin(BOT_ID, PROBE), secrets.token_hex(16)
        return await standin.gateway.event(origin, msgid, "enter_chat", None) is not None

    def taken(self, talk):
        return talk.answered and CODE not in talk.text

    def over(self, talk):
        return all(bubble.state != "open" for bubble in talk.bubbles.values())

    def bubbles(self, talk):
        return list(talk.bubbles.values())

    def streams(self, talk):
        del talk  # it may have several, one after the other
        return ()

    def last(self, talk, later):
        del later
        return (talk.text or NO_BUBBLE) if self.over(talk) else None


class App(Callback):
    """WeCom calls and repeats; there is no bubble, and the answer is sent."""

    name = "app"
    path = "/wecom/app"
    groups = False

    def hurry(self, standin):
        standin.corp.api.quota = Quota(_fast, "dropped")

    async def replies(self, standin):
        corp = standin.corp
        head = {"ToUserName": corp.corp_id, "FromUserName": PROBE, "AgentID": corp.agent_id}
        plain = corp_xml.xml(head | corp.event("enter_chat", None))
        sealed = standin.cipher.seal(
            plain,
            timestamp=now_ms() // 1000,
            nonce=secrets.token_hex(8),
            receive_id=corp.corp_id.encode(),
        )
        body = corp_xml.shell(sealed, corp.corp_id, corp.agent_id)
        return await _is_ok(standin, body=body, query=sealed.query)

    def last(self, talk, later):
        del later
        return talk.text or NO_BUBBLE

    def streams(self, talk):
        del talk
        return ()

    def id_of(self, talk):
        return f"app-{talk.msgid}"


WAYS = {way.name: way for way in (Callback(), Connection(), App())}


async def _is_ok(standin, plain=b"", **raw):
    try:
        answer = await standin.send_raw(plain, **raw)
    except NotAnswered:
        return False
    return answer.status == OK


def _fast():
    return now_ms() * FASTER
