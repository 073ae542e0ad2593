"""The service is killed while a file is on its way: it is fetched anew, and prompted once."""

import base64

import pytest

from bot.sandbox import payloads
from bot.sandbox.timing import Timing
from tests.drill.points import KILLED
from tests.drill.victim import Victim
from tests.fakes.edge import until
from tests.media.pictures import PNG
from tests.service_fixtures import environment, free_port

PATIENT = Timing(retry_after_s=4.0, poll_every_s=0.05)  # it may die with its answer unsent
# Before the turn is claimed; before the copy has its name; after the prompt has left.
POINTS = ["C05", "C21", "C09"]


@pytest.fixture
async def victim(make_standin, fake, tmp_path):
    standin = await make_standin(timing=PATIENT)
    port = free_port()
    environ = environment(tmp_path, standin, port=port, opencode=fake)
    victim = Victim(environ, port, tmp_path)
    victim.wecom = standin
    standin.callback_url = f"http://127.0.0.1:{port}/wecom/bot"
    yield victim
    if victim.alive:
        victim.process.kill()
        await victim.process.wait()


def copies(victim):
    return [file.read_bytes() for file in (victim.data / "blobs").glob("??/*")]


@pytest.mark.parametrize("point", POINTS)
async def test_a_file_outlives_a_crash_whole_and_goes_into_one_prompt(victim, fake, point):
    await victim.start(TEST_CRASHPOINT=f"{point}:1")
    await victim.ready()
    image = victim.wecom.keep_medium("image", "a.png", PNG)
    words = payloads.text("what is this?")
    talk = victim.wecom.begin("zhangsan", payloads.mixed([words, image]))
    assert await victim.process.wait() == KILLED
    assert copies(victim) in ([], [PNG])
    await victim.start()
    await victim.ready()
    await until(lambda: len(fake.prompts) >= 1 and not fake.busy)
    assert "OK" in await talk.done()
    ((part,), *more) = [
        [part for part in prompt.parts if part["type"] == "file"] for prompt in fake.prompts
    ]
    assert more == []
    assert base64.b64decode(part["url"].partition(";base64,")[2]) == PNG
    assert copies(victim)[0] == PNG
