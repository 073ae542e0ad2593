"""A bot as small as can be, behind an envelope that is wechatpy's: it answers what a test says."""

import inspect
import json
import time

from aiohttp import web
from wechatpy.crypto.base import BasePrpCrypto
from wechatpy.enterprise.crypto import WeChatCrypto
from wechatpy.utils import WeChatSigner


def stream(content, *, finish=False, stream="S1", **more):
    """What a bot says in a stream."""
    return {
        "msgtype": "stream",
        "stream": {"id": stream, "finish": finish, "content": content, **more},
    }


class Responder:
    """Serves ``/bot``. ``answer(payload)`` returns an object to seal, None for nothing, or a response.

    ``spoil(reply)`` may damage the sealed reply before it leaves.
    """

    def __init__(self, token, aes_key):
        self.calls = []
        self.answer = lambda _: None
        self.spoil = lambda reply: reply
        self.receive_id = ""
        self._token = token
        self._crypto = WeChatCrypto(token, aes_key, "")

    @property
    def routes(self):
        return [web.get("/bot", self.verify), web.post("/bot", self.take)]

    def asked(self, kind):
        return [call for call in self.calls if call["msgtype"] == kind]

    async def verify(self, request):
        query = request.query
        echo = self._crypto.check_signature(
            query["msg_signature"], query["timestamp"], query["nonce"], query["echostr"]
        )
        return web.Response(text=self.spoil(echo))

    async def take(self, request):
        query, body = request.query, await request.json()
        plain = self._crypto.decrypt_message(
            {"Encrypt": body["encrypt"]}, query["msg_signature"], query["timestamp"], query["nonce"]
        )
        payload = json.loads(plain)
        self.calls.append(payload)
        answer = self.answer(payload)
        if inspect.isawaitable(answer):
            answer = await answer
        if answer is None or isinstance(answer, web.StreamResponse):
            return answer or web.Response()
        return web.json_response(self.spoil(self.seal(answer, query["nonce"])))

    def seal(self, answer, nonce):
        plain = answer if isinstance(answer, str) else json.dumps(answer)
        encrypt = BasePrpCrypto(self._crypto.key)._encrypt(plain, self.receive_id).decode()
        timestamp = str(int(time.time()))
        signer = WeChatSigner()
        signer.add_data(self._token, timestamp, nonce, encrypt)
        return {
            "encrypt": encrypt,
            "msgsignature": signer.signature,
            "timestamp": int(timestamp),
            "nonce": nonce,
        }
