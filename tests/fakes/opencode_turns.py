"""What a turn on the scripted OpenCode consists of: actions, one after the other."""

import asyncio
from pathlib import Path

from bot.clock import now_ms
from tests.fakes.opencode_run import Ended, Run, new_id


def say(*pieces):
    """Write text; an ``asyncio.Event`` among the pieces holds it up until it is set, a number so long."""

    async def act(run):
        run.begin()
        part = run.put(run.part("text", text="", time={"start": now_ms()}))
        with run.opened(part):
            run.so_far[part["id"]] = ""
            for piece in pieces:
                if isinstance(piece, asyncio.Event):
                    await piece.wait()
                    continue
                if isinstance(piece, float):
                    await asyncio.sleep(piece)
                    continue
                run.so_far[part["id"]] += piece
                run.emit(
                    "message.part.delta",
                    messageID=part["messageID"],
                    partID=part["id"],
                    field="text",
                    delta=piece,
                )
                await asyncio.sleep(0)
        run.close_part(part)

    return act


def think(text):
    """Reason before writing."""

    async def act(run):
        run.begin()
        start = now_ms()
        part = run.put(run.part("reasoning", text="", time={"start": start}))
        run.emit(
            "message.part.delta",
            messageID=part["messageID"],
            partID=part["id"],
            field="text",
            delta=text,
        )
        part |= {"text": text, "time": {"start": start, "end": now_ms()}}
        run.put(part)

    return act


def tool(name="bash", given=None, output="", *, title="", metadata=None, error="", until=None):
    """Use a tool, and so end the step; ``until`` holds it up in the middle."""

    async def act(run):
        run.begin()
        part = run.tool_part(name, given or {})
        run.put(part)
        with run.opened(part):
            if until is not None:
                await until.wait()
        if error:
            run.failed(part, error)
        else:
            run.completed(part, output, title, metadata)
        run.end("tool-calls")

    return act


def write(path, content):
    """Write a file into the session's directory, and say so as the tool does."""

    async def act(run):
        file = Path(run.directory) / path
        exists = file.exists()
        await asyncio.to_thread(_write, file, content)
        run.fake.emit(run.directory, "file.edited", {"file": str(file)})
        given = {"filePath": str(file), "content": content}
        metadata = {"filepath": str(file), "exists": exists}
        await tool("write", given, "Wrote file successfully.", title=path, metadata=metadata)(run)

    return act


def _write(file, content):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)


def todos(*lines):
    """Set the agent's list: pairs of content and status."""

    async def act(run):
        values = [{"content": c, "status": s, "priority": "medium"} for c, s in lines]
        run.fake.todos[run.session] = values
        run.emit("todo.updated", todos=values)
        await tool("todowrite", {"todos": values}, "[]", metadata={"todos": values})(run)

    return act


def ask(permission="bash", patterns=("ls",), given=None, output="done"):
    """Ask for a permission and go on as it is decided."""

    async def act(run):
        run.begin()
        part = run.tool_part(permission, given or {"command": patterns[0]})
        request = {
            "id": new_id("per"),
            "sessionID": run.session,
            "permission": permission,
            "patterns": list(patterns),
            "metadata": given or {"command": patterns[0]},
            "always": [f"{pattern.split()[0]} *" for pattern in patterns],
            "tool": {"messageID": part["messageID"], "callID": part["callID"]},
        }
        with run.opened(part):
            answer = await run.fake.wait_for_answer(
                run, "permission", request, lambda: run.put(part)
            )
        if answer["reply"] != "reject":
            run.completed(part, output)
        else:
            run.failed(part, answer.get("message") or "The user rejected permission")
        run.end("tool-calls")
        if answer["reply"] == "reject" and not answer.get("message"):
            raise Ended

    return act


def question(text="Which colour?", *labels, multiple=False):
    """Ask a question and go on as it is answered."""

    async def act(run):
        run.begin()
        options = [{"label": label, "description": ""} for label in labels or ("Red", "Blue")]
        asked = {"question": text, "header": "Choose", "options": options}
        if multiple:
            asked["multiple"] = True
        part = run.tool_part("question", {"questions": [asked]})
        request = {
            "id": new_id("que"),
            "sessionID": run.session,
            "questions": [asked],
            "tool": {"messageID": part["messageID"], "callID": part["callID"]},
        }
        with run.opened(part):
            answers = await run.fake.wait_for_answer(
                run, "question", request, lambda: run.put(part)
            )
        if answers is not None:
            run.completed(part, f"answered {answers}", "Asked 1 question", {"answers": answers})
        else:
            run.failed(part, "The user dismissed this question")
        run.end("tool-calls")
        if answers is None:
            raise Ended

    return act


def subagent(*actions, title="sub job"):
    """Let a sub-agent do the actions in a session of its own."""

    async def act(run):
        run.begin()
        given = {"description": title, "prompt": title, "subagent_type": "general"}
        part = run.tool_part("task", given)
        name = f"{title} (@general subagent)"
        child = run.fake.open_session(run.directory, name, run.session, agent="general")
        link = {"parentSessionId": run.session, "sessionId": child}
        part["state"] |= {"title": title, "metadata": link}
        run.put(part)
        with run.opened(part):
            inner = Run(run.fake, child)
            inner.prompt = run.fake.store_prompt(
                child, {"parts": [{"type": "text", "text": title}]}
            )
            await inner.turn(actions)
            inner.idle()
        output = f'<task id="{child}" state="completed">\n<task_result>\n</task_result>\n</task>'
        run.completed(part, output, title, link)
        run.end("tool-calls")

    return act


def retry(message="fake error 429", *, attempt=1, until=None, in_ms=2000):
    """Wait for the model's provider to recover."""

    async def act(run):
        run.call()
        run.status(type="retry", attempt=attempt, message=message, next=now_ms() + in_ms)
        if until is not None:
            await until.wait()
        run.status(type="busy")

    return act


def hang(until=None):
    """Do nothing until an abort (or ``until``) comes."""

    async def act(run):
        run.begin()
        await (until or asyncio.Event()).wait()

    return act


def stubborn():
    """From here on an abort is answered, and changes nothing."""

    async def act(run):
        run.stubborn = True

    return act


def finish(reason):
    """End the turn with another reason than ``stop``: length, content-filter, unknown …"""

    async def act(run):
        run.begin()
        run.end(reason)
        raise Ended

    return act


def fail(message="bad thing", *, name="APIError", status=400):
    """Fail as the server fails when the model's provider refuses."""

    async def act(run):
        data = {"message": message}
        if name == "APIError":
            data |= {"statusCode": status, "isRetryable": False}
        run.fail({"name": name, "data": data})
        raise Ended(rested=True)

    return act


def swallow():
    """Keep the prompt and never answer it."""

    async def act(run):
        run.fake.busy.pop(run.session, None)
        raise Ended(rested=True)

    return act


def die():
    """Leave everything as a server does that was killed and started again."""

    async def act(run):
        run.begin()
        run.message = None
        run.fake.busy.pop(run.session, None)
        raise Ended(rested=True)

    return act


def lose_events():
    """From here on no event reaches anybody; reading shows everything."""

    async def act(run):
        run.fake.losing = True

    return act
