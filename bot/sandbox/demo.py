"""How the demo model behaves towards people: a pure function of what was asked and what came back."""

import re
from collections.abc import Callable, Mapping

from bot.sandbox.script import Request, Step, http_error, say, think, tool, tools
from bot.texts import Language, demo, language_of

SLOW_SENTENCES = 40
SLOW_PAUSE_S = 1.0
PACE_S = 0.03
LOOK_S = 2.5  # for a person to see a state before it passes
LONG_BYTES = 21_000  # more than one message of WeCom holds
LONG_CHUNKS = 40
LOOK_CHUNKS = 5
OUTPUT_LETTERS = 2_000
COMMAND = "ls -la"
OUTSIDE = "/etc/hostname"

HTML = """<!doctype html>
<html lang="{language}">
<meta charset="utf-8">
<title>{title}</title>
<link rel="stylesheet" href="./style.css">
<main>
  <h1>{title}</h1>
  <p>{line}</p>
  <button id="button">{button}</button>
  <output id="count"></output>
</main>
<script src="./app.js"></script>
</html>
"""
CSS = """body { font-family: system-ui, sans-serif; background: #f4f1ea; color: #1c2b33; }
main { max-width: 32rem; margin: 12vh auto; padding: 2rem; background: #fff; border-radius: 1rem; }
h1 { color: #0a7d5a; }
button { font: inherit; padding: .5rem 1rem; border: 0; border-radius: .5rem; background: #0a7d5a; color: #fff; }
"""
JS = """let pressed = 0;
document.documentElement.dataset.script = "ran";
document.querySelector("#button").addEventListener("click", () => {
  pressed += 1;
  document.querySelector("#count").textContent = "COUNT".replace("{n}", pressed);
});
"""


def answer(request: Request) -> Step:
    """Return the next step of the turn, in the language of the question."""
    asked = own_words(request.user)
    language = language_of(asked) or "zh"
    for words, act in ACTS:
        if words.search(asked):
            return act(request, language)
    return _say(language, demo.HELLO.say(language))


def own_words(prompt: str) -> str:
    """Return what a person said below what they quoted; all of it if there is nothing below."""
    lines = prompt.splitlines()
    quoted = [place for place, line in enumerate(lines) if line.startswith(">")]
    own = "\n".join(lines[quoted[-1] + 1 :]) if quoted else prompt
    return own if own.strip() else prompt


def title(prompt: str) -> str:
    """Return a title for a session that began with ``prompt``."""
    lines = [line.strip() for line in prompt.splitlines() if line.strip()]
    return lines[-1] if lines else "Demo"


def _say(language: Language, text: str) -> Step:
    return say(f"{text}\n\n{demo.LABEL.say(language)}", delay_s=PACE_S)


def _page(request: Request, language: Language) -> Step:
    if request.results:
        return _say(language, demo.PAGE_DONE.say(language))
    html = HTML.format(
        language=language,
        title=demo.PAGE_TITLE.say(language),
        line=demo.PAGE_LINE.say(language),
        button=demo.PAGE_BUTTON.say(language),
    )
    script = JS.replace("COUNT", demo.PAGE_COUNT.say(language, n="{n}"))
    files = (("index.html", html), ("style.css", CSS), ("app.js", script))
    calls = [("write", {"filePath": name, "content": text}) for name, text in files]
    return say(demo.PAGE_BEGIN.say(language), delay_s=PACE_S) + tools(*calls)


def _plan(request: Request, language: Language) -> Step:
    done = len(request.results)
    if done > len(demo.PLAN_ITEMS):
        return _say(language, demo.PLAN_DONE.say(language))
    todos: list[Mapping[str, str]] = [
        {"content": item.say(language), "status": _todo_status(n, done), "priority": "medium"}
        for n, item in enumerate(demo.PLAN_ITEMS)
    ]
    words = demo.PLAN_BEGIN if done == 0 else demo.PLAN_NEXT
    said = say(words.say(language, n=done), LOOK_CHUNKS, LOOK_S / LOOK_CHUNKS)
    return said + tool("todowrite", {"todos": todos})


def _todo_status(place: int, done: int) -> str:
    if place < done:
        return "completed"
    return "in_progress" if place == done else "pending"


def _run(request: Request, language: Language) -> Step:
    if request.results:
        return _say(language, _quoted(demo.RUN_DONE.say(language), request))
    words = say(demo.RUN_BEGIN.say(language, command=COMMAND), delay_s=PACE_S)
    return words + tool("bash", {"command": COMMAND, "description": "List the folder"})


def _think(_: Request, language: Language) -> Step:
    words = demo.THOUGHT.say(language)
    thought = think(words, LOOK_CHUNKS, LOOK_S / LOOK_CHUNKS)
    return thought + _say(language, demo.THOUGHT_DONE.say(language))


def _slow(_: Request, language: Language) -> Step:
    lines = [
        say(demo.SLOW_LINE.say(language, n=n, total=SLOW_SENTENCES), 1, SLOW_PAUSE_S)
        for n in range(1, SLOW_SENTENCES + 1)
    ]
    return sum(lines, Step(())) + _say(language, "")


def _long(_: Request, language: Language) -> Step:
    text, n = "", 0
    while len(text.encode()) < LONG_BYTES:
        n += 1
        text += f"{n}. {demo.LONG_LINE.say(language, n=n)}\n"
    return say(text, LONG_CHUNKS, PACE_S) + _say(language, demo.LONG_DONE.say(language))


def _ask(request: Request, language: Language) -> Step:
    if request.results:
        return _say(language, demo.QUESTION_DONE.say(language, reply=request.results[-1]))
    options = [
        {"label": label.say(language), "description": why.say(language)}
        for label, why in demo.QUESTION_CHOICES
    ]
    question = {
        "question": demo.QUESTION.say(language),
        "header": demo.QUESTION_HEADER.say(language),
        "options": options,
    }
    return tool("question", {"questions": [question]})


def _outside(request: Request, language: Language) -> Step:
    if request.results:
        return _say(language, _quoted(demo.OUTSIDE_DONE.say(language), request))
    words = say(demo.OUTSIDE_BEGIN.say(language), delay_s=PACE_S)
    return words + tool("read", {"filePath": OUTSIDE})


def _missing(_: Request, language: Language) -> Step:
    return _say(language, demo.MISSING_DONE.say(language))


def _fail(_: Request, __: Language) -> Step:
    return http_error(400, message="demo model: a failure was asked for")


def _quoted(lead: str, request: Request) -> str:
    output = request.results[-1][:OUTPUT_LETTERS].replace("```", "'''")
    return f"{lead}\n\n```\n{output.rstrip()}\n```"


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


ACTS: tuple[tuple[re.Pattern[str], Callable[[Request, Language], Step]], ...] = (
    (_words(r"漏掉|缺失|\bmissing\b"), _missing),
    (_words(r"网页|页面|\bpage\b|\bhtml\b|\bwebsite\b"), _page),
    (_words(r"计划|待办|\bplan\b|\bto-?dos?\b"), _plan),
    (_words(r"权限|\bpermission\b|\boutside\b"), _outside),
    (_words(r"问我|提问|问一个|\bask\b|\bquestion\b"), _ask),
    (_words(r"运行|执行|\brun\b|\bls\b"), _run),
    (_words(r"长回答|长答复|长一点|\blong\b"), _long),
    (_words(r"慢|\bslow(ly)?\b"), _slow),
    (_words(r"想一想|想想|思考|\bthink\b"), _think),
    (_words(r"出错|报错|失败|\bfail\b|\berror\b"), _fail),
)
