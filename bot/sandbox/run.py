"""``python -m bot sandbox``: the real service, a stand-in for WeCom, and a page to chat on."""

import json
import os
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import uvloop
from aiohttp import web

from bot.app import Service, check_end, opened
from bot.leaving import told_to_end
from bot.messages import CALLBACK
from bot.opencode.environment import merged
from bot.opencode.user_config import UserConfig
from bot.sandbox import household
from bot.sandbox.guard import local_only
from bot.sandbox.household import AGENT_ID, BOT_ID, BOT_NAME, CORP_ID, HOST, Keys
from bot.sandbox.model import ScriptedModel, provider_config
from bot.sandbox.standin import StandIn
from bot.sandbox.web import PATH, Page
from config.logs import set_up
from config.settings import Settings
from handlers.wecom import CHANNELS, callback
from handlers.wecom.app import app_callback
from handlers.wecom.app.app_wire import APP
from handlers.wecom.connection.reception import CONNECTION

CALLBACKS = {CALLBACK: callback.PATH, APP: app_callback.PATH}
INLINE_CONFIG = "OPENCODE_CONFIG_CONTENT"
MODEL_PORT_AWAY = 1000

DEMO = "the scripted demo model: no network, no key (a real one: make run MODEL=provider/model)"
BLOCK = """
  opencode-wecom sandbox 沙盒

  Open  打开   {url}
  Model 模型   {model}
  Way   渠道   {channel} (others: make run CHANNEL={others})
  Data  数据   {folder}
  Stop  停止   Ctrl+C

"""


def run_sandbox(model: str | None = None, channel: str = CALLBACK) -> None:
    """Run the sandbox until it is told to end. ``model`` is ``provider/model``.

    ``channel`` is the way by which the stand-in reaches the service, as WeCom would.
    """
    folder = household.data_folder(os.environ)
    keys = household.keys(folder)
    wanted = household.wanted_port(os.environ)
    port = household.free_port(wanted)
    if wanted not in {0, port}:
        sys.stdout.write(f"Port {wanted} is taken; the sandbox uses {port}.\n")
    settings = household.settings_for(os.environ, folder, port, keys, model, channel)
    demo = model is None and not household.has_model(os.environ)
    mask = set_up(secrets=(*settings.secrets(), keys.page))
    uvloop.run(_run(settings, keys, channel, mask.hide, demo=demo))


async def _run(
    settings: Settings, keys: Keys, channel: str, hide: Callable[[str], None], *, demo: bool
) -> None:
    ended = told_to_end()
    async with AsyncExitStack() as stack:
        if demo:
            await _play_model(stack, settings.server.port + MODEL_PORT_AWAY)
        base = f"http://{HOST}:{settings.server.port}"
        standin = _stand_in(base, keys, channel)
        await stack.enter_async_context(standin)
        page = Page(standin, household.cast(demo_model=demo, channel=channel), keys.page)

        def extra(app: web.Application, _: Service) -> None:
            page.attach(app)
            app.add_routes([local_only(route) for route in standin.routes])

        service = await stack.enter_async_context(
            opened(settings, extra=extra, hide=hide, ended=ended)
        )
        if channel == CONNECTION:
            await standin.gateway.until_connected()  # what is said before is lost
        else:
            await standin.verify_url()
        _say_where(f"{base}{PATH}?token={keys.page}", settings, channel, demo=demo)
        await ended.wait()
    check_end(service)


def _stand_in(base: str, keys: Keys, channel: str) -> StandIn:
    url = base + CALLBACKS.get(channel, "")  # on the long connection WeCom calls nobody
    return StandIn(
        *(url, keys.token, keys.aes_key, BOT_ID, BOT_NAME, base),
        channel=channel,
        secret=keys.secret,
        corp_id=CORP_ID,
        agent_id=AGENT_ID,
    )


async def _play_model(stack: AsyncExitStack, port: int) -> None:
    """Serve the scripted model, and make it the one of the OpenCode server that will be started.

    Its port is the same at each start: an OpenCode server that outlived us still knows it.
    """
    model = ScriptedModel()
    url = await model.start(port=household.free_port(port))
    stack.push_async_callback(model.stop)
    own = UserConfig.of(os.environ).inline_json()
    os.environ[INLINE_CONFIG] = json.dumps(merged(own, provider_config(url)))


def _say_where(url: str, settings: Settings, channel: str, *, demo: bool) -> None:
    model = DEMO if demo else settings.opencode.model or "the one of your OpenCode configuration"
    folder = settings.server.data_dir
    here = Path.cwd()
    shown = folder.relative_to(here) if folder.is_relative_to(here) else folder
    others = " or ".join(one for one in CHANNELS if one != channel)
    sys.stdout.write(
        BLOCK.format(url=url, model=model, channel=channel, others=others, folder=shown)
    )
    sys.stdout.flush()
