"""The service is killed on the way of an answer by the application: it comes once, all the same."""

from pathlib import Path

import pytest

from bot.sandbox import payloads
from bot.sandbox.timing import Timing
from tests.drill.points import KILLED
from tests.drill.victim import Victim
from tests.fakes.edge import until
from tests.fakes.opencode_turns import say, tool
from tests.service_fixtures import environment, free_port

# It may die with its answer unsent, and a busy machine takes its time to start it again.
PATIENT = Timing(answer_s=20, retry_after_s=1.0, retries=60)
# Accepted and not answered; a push that left and was not answered, and one whose end was not kept.
POINTS = ["C04", "C19", "C20"]


@pytest.fixture
async def victim(make_standin, fake, tmp_path):
    standin = await make_standin(timing=PATIENT, channel="app")
    port = free_port()
    victim = Victim(environment(tmp_path, standin, port=port, opencode=fake), port, tmp_path)
    victim.wecom = standin
    standin.callback_url = f"http://127.0.0.1:{port}/wecom/app"
    yield victim
    if victim.alive:
        victim.process.kill()
        await victim.process.wait()


@pytest.mark.parametrize("point", POINTS)
async def test_an_answer_outlives_a_crash_and_comes_once(victim, fake, point):
    await victim.start(TEST_CRASHPOINT=f"{point}:1")
    await victim.ready()
    talk = victim.wecom.begin("zhangsan", payloads.text("hello"))
    assert await victim.process.wait() == KILLED
    await victim.start()
    await victim.ready()
    await victim.wecom.answered(talk, 60)
    assert "OK" in await talk.late_reply(60)
    assert "#1" in talk.text
    other = await victim.wecom.say("zhangsan", "again")
    await until(lambda: "#2" in "".join(item.content for item in other.late))
    assert len(talk.late) == 1
    assert len(fake.prompts) == 2
    assert victim.wecom.violations == []


# Kept with its answer and not brought; taken and not sent; there, and nobody wrote it down.
@pytest.mark.parametrize(
    ("point", "comes", "told"), [("C16:1", 1, 0), ("C18:2", 0, 1), ("C20:2", 1, 1)]
)
async def test_a_file_of_an_answer_outlives_a_crash_or_is_told(victim, fake, point, comes, told):
    async def write(run):
        folder = Path(run.directory) / "outbox"
        folder.mkdir()
        (folder / "a.txt").write_text("for you")
        await tool("bash", {"command": "true"}, "done", title="write")(run)

    fake.script(write, say("Here it is."))
    await victim.start(TEST_CRASHPOINT=point)
    await victim.ready()
    talk = victim.wecom.begin("zhangsan", payloads.text("hello"))
    assert await victim.process.wait() == KILLED
    await victim.start()
    await victim.ready()
    await talk.late_reply(60, number=1 + comes + told)
    assert [item.medium for item in talk.late].count("a.txt") == comes
    assert sum("outbox/a.txt` arrived" in item.content for item in talk.late) == told
    await victim.wecom.say("zhangsan", "/status")
    assert len(talk.late) == 1 + comes + told
    assert victim.wecom.violations == []


async def test_c22_a_token_that_was_fetched_and_lost_is_fetched_anew(victim, fake):
    await victim.start(TEST_CRASHPOINT="C22:1")
    assert await victim.process.wait() == KILLED
    await victim.start()
    await victim.ready()
    talk = await victim.wecom.say("zhangsan", "hello")
    assert "OK" in await talk.late_reply(60)
    assert victim.wecom.corp.api.calls["gettoken"] == 2
    assert victim.wecom.violations == []
