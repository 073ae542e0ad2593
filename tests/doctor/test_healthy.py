"""A service that is well, started as people start it: the doctor finds nothing wrong with it."""

import pytest

from bot.sandbox.script import say
from tests.opencode_fixtures import environ_for, skip_without_opencode
from tests.reliability.processes import over, ready
from tests.service_fixtures import environment, free_port

pytestmark = [pytest.mark.opencode, pytest.mark.timeout(300)]


@pytest.fixture
async def standin(make_standin):
    return await make_standin()


@pytest.fixture
async def environ(tmp_path, standin, model):
    skip_without_opencode(tmp_path / "look")
    port = free_port()
    standin.callback_url = f"http://127.0.0.1:{port}/wecom/bot"
    user = environ_for(tmp_path, int(model.url.rpartition(":")[2].partition("/")[0]))
    return environment(tmp_path, standin, port=port) | user | {"OPENCODE_MODEL": "demo/demo"}


async def conversation(standin, model, group):
    model.script("hello", say("well met"))
    talk = await standin.say("zhangsan", "hello", group=group)
    await standin.book.until(lambda: talk.finished, 60)


async def test_nothing_is_found_wrong_with_a_service_that_is_well(run, environ, standin, model):
    service = await run("run", **environ)
    await ready(environ)
    for group in (None, "g1"):
        await conversation(standin, model, group)
    code, said = await over(await run("doctor", "--deep", **environ))
    assert (code, said.count("⚠️ "), said.count("❌")) == (0, 0, 0), said
    assert said.count("✅") > 55
    assert said.splitlines()[-1].startswith("✅ 0 errors, 0 warnings, ")
    service.terminate()
    assert (await over(service))[0] == 0
