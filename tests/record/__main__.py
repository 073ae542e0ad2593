"""Record every scenario, or those whose names are given, into ``tests/data/opencode``."""

import asyncio
import sys
import tempfile
from pathlib import Path

import structlog

from bot.sandbox.model import ScriptedModel
from tests.opencode_fixtures import OpenCodeUnderTest, running_server
from tests.record.neutral import neutral
from tests.record.scenarios import SCENARIOS
from tests.record.stage import record

DATA = Path(__file__).parent.parent / "data" / "opencode"
LIMIT_S = 120  # for one scenario


async def main(folder, server, wanted):
    model = ScriptedModel()
    await model.start(port=server.model_port)
    opencode = OpenCodeUnderTest(server, model, folder)
    try:
        for scenario in SCENARIOS:
            if wanted and scenario.name not in wanted:
                continue
            async with asyncio.timeout(LIMIT_S):
                recording = await record(opencode, scenario)
            for kind, content in (("sse", recording.stream), ("json", recording.facts)):
                told = neutral(content, folder, server.model_port)
                (DATA / f"{scenario.name}.{kind}").write_bytes(told)
            sys.stdout.write(f"{scenario.name}: {len(recording.stream)} bytes\n")
    finally:
        await model.stop()


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
    DATA.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="recording-") as name:
        room = Path(name).resolve()
        with running_server(room / "server") as server:
            asyncio.run(main(room, server, sys.argv[1:]))
