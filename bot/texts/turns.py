"""What people read while a turn works and when it is over."""

from typing import Literal

from bot.texts import Text

# How a turn of OpenCode can end. Ends that we bring about (a stop, a time limit) have words of
# their own in bot/texts/engine.py.
Outcome = Literal[
    "answered",
    "empty",
    "length",
    "filtered",
    "failed",
    "aborted",
    "rejected",
    "interrupted",
    "merged",
]

OUTCOMES: dict[Outcome, Text] = {
    "answered": Text(zh="✅ 完成", en="✅ Done"),
    "empty": Text(
        zh="⚠️ 没有产出（模型返回空）· /retry {n}",
        en="⚠️ Nothing was produced (the model's answer was empty) · /retry {n}",
    ),
    "length": Text(
        zh="✂️ 回答到了模型的长度上限，没有写完；说“继续”接着写",
        en="✂️ The answer met the model's length limit and is not complete; say “go on”",
    ),
    "filtered": Text(
        zh="🚫 被模型服务的内容过滤拦下；请换个说法再试",
        en="🚫 Held back by the model provider's content filter; try other words",
    ),
    "failed": Text(zh="❌ 失败：{reason} · /retry {n}", en="❌ Failed: {reason} · /retry {n}"),
    "aborted": Text(
        zh="⛔ 在 OpenCode 一侧被中断；已有内容保留 · /retry {n}",
        en="⛔ Aborted on OpenCode's side; what there was is kept · /retry {n}",
    ),
    "rejected": Text(
        zh="✋ 请求被拒绝，执行到此为止；会话保留，可以接着说",
        en="✋ Ended because a request was turned down; the session is kept, just go on",
    ),
    "interrupted": Text(
        zh="🔌 OpenCode 中途退出，没有做完；已有内容保留 · /retry {n}",
        en="🔌 OpenCode went away before it was done; what there was is kept · /retry {n}",
    ),
    "merged": Text(
        zh="🔀 同一会话里又来了新的消息，两条被一起回答",
        en="🔀 A newer message came into the same session; both were answered together",
    ),
}

INCOMPLETE = Text(
    zh="⚠️ 完成，但缺文件 {paths} · /retry {n}", en="⚠️ Done, but without {paths} · /retry {n}"
)
TURNED_DOWN = Text(
    zh="❌ 失败：{reason} · 换个说法或 /model 换模型",
    en="❌ Failed: {reason} · use other words, or another model by /model",
)

# The body of an answer without words (K4).
ONLY_FILES = Text(
    zh="模型没有写回答，改动了 {count} 个文件：",
    en="No words from the model; files changed: {count}",
)
ONLY_TOOLS = Text(
    zh="模型没有写回答，也没有改动文件；执行了 {count} 步操作。",
    en="No words from the model and no file changed; tool calls made: {count}.",
)
NOTHING = Text(zh="没有文字，也没有改动文件。", en="No words, and no file changed.")

MISSING_FILES = Text(
    zh="⚠️ 回答说做好了 {paths}，但工作目录里没有找到。",
    en="⚠️ The answer claims {paths}, but no such file is in the workspace.",
)
FILES = Text(zh="📄 {files}", en="📄 {files}")
FILES_MORE = Text(zh="，另有 {count} 个", en=", and {count} more")
FILE_DELETED = Text(zh="{path}（已删除）", en="{path} (deleted)")
LINK = Text(zh="[查看文件与差异]({url})", en="[Files and diff]({url})")
LINK_ONLY = Text(zh="[查看]({url})", en="[Open]({url})")
NO_LINK = Text(
    zh="🔗 没有链接：管理员还没有设置 server.public_url。/files {n} · /diff {n}",
    en="🔗 No link: server.public_url is not set by the administrator. /files {n} · /diff {n}",
)
FOOT_FILES = Text(zh="改 {count} 文件", en="files changed: {count}")
FOOT_APPROVALS = Text(zh="通过 {count} 次批准", en="approvals: {count}")
MORE_LINK = Text(zh="……（全文：[打开]({url})）", en="… (in full: [open]({url}))")
MORE_RESULT = Text(zh="……（未完，/result {n} 2 看后续）", en="… (/result {n} 2 reads on)")

# Why OpenCode or the model's provider failed, in words that give nothing internal away.
REASONS: dict[str, Text] = {
    "quota": Text(zh="额度不足", en="the quota is used up"),
    "rate": Text(zh="模型限流", en="the model is rate-limited"),
    "auth": Text(
        zh="模型服务拒绝了密钥，请管理员检查",
        en="the provider refused the key; tell an administrator",
    ),
    "overflow": Text(
        zh="会话太长，放不进模型；/new 开新会话",
        en="the session is too long for the model; start /new",
    ),
    "agent": Text(zh="没有这个智能体，/agent 可选", en="there is no such agent; see /agent"),
    "model": Text(zh="没有这个模型，/model 可换", en="there is no such model; see /model"),
    "timeout": Text(zh="模型服务没有及时响应", en="the provider did not answer in time"),
    "server": Text(zh="模型服务出错（{status}）", en="the provider failed ({status})"),
    "request": Text(
        zh="模型服务不接受这次请求（{status}）", en="the provider refused the request ({status})"
    ),
    "image": Text(zh="附件无法读取", en="an attachment could not be read"),
    "not_taken": Text(zh="OpenCode 没有接受这条消息", en="OpenCode did not take the message in"),
    "summary": Text(
        zh="会话太长，压缩时出错；/new 开新会话",
        en="the session is too long and summing it up failed; start /new",
    ),
    "unknown": Text(zh="OpenCode 内部出错", en="an error inside OpenCode"),
}

# Progress, line by line.
HEAD = Text(zh="⏳ {title} · {age}", en="⏳ {title} · {age}")
HEAD_STEP = Text(zh="第 {step} 步", en="step {step}")
HEAD_PREPARING = Text(zh="准备中", en="getting ready")
THINKING = Text(zh="💭 思考中……", en="💭 thinking …")
TODOS = Text(zh="📋 {done}/{total}", en="📋 {done}/{total}")
EDITED = Text(zh="✏️ 改 {count} 个文件{counts}（{names}）", en="✏️ files: {count}{counts} ({names})")
COMMAND = Text(zh="🖥 {command}  ⏱ {age}", en="🖥 {command}  ⏱ {age}")
TOOL = Text(zh="🔧 {tool} {label}  ⏱ {age}", en="🔧 {tool} {label}  ⏱ {age}")
TOOL_FAILED = Text(zh="❌ {tool} {label}：{error}", en="❌ {tool} {label}: {error}")
READ = Text(zh="已读 {count} 个文件", en="files read: {count}")
SEARCHED = Text(zh="搜索 {count} 次", en="searches: {count}")
LOOKED = Text(zh="🔎 {what}", en="🔎 {what}")
CHILD_RUNNING = Text(zh="　↳ 🤖 {title} · {doing}", en="  ↳ 🤖 {title} · {doing}")
CHILD_DONE = Text(zh="　↳ ✔ {title}", en="  ↳ ✔ {title}")
CHILD_FAILED = Text(zh="　↳ ❌ {title}", en="  ↳ ❌ {title}")
CHILD_WORKING = Text(zh="执行中", en="at work")
CHILDREN_MORE = Text(zh="　↳ 另有 {count} 个子任务", en="  ↳ {count} more sub-agents")
RETRY = Text(
    zh="🔁 {why}，{seconds} 秒后自动重试（第 {attempt} 次）· /stop 放弃",
    en="🔁 {why}: model retrying, next try in {seconds} s (no. {attempt}) · /stop to give up",
)
RETRY_NOW = Text(
    zh="🔁 {why}，正在重试（第 {attempt} 次）· /stop 放弃",
    en="🔁 {why}: model retrying now (no. {attempt}) · /stop to give up",
)
RETRY_WHY = Text(zh="模型暂时不可用", en="the model is not available")
RETRY_RATE = Text(zh="模型限流", en="the model is rate-limited")
LIVE_LINK = Text(zh="🔗 [实时查看]({url})", en="🔗 [Watch live]({url})")
EARLIER_LEFT_OUT = Text(zh="……（前文略）", en="… (what came before is left out here)")

# What a turn is doing, in words; for /status and when nothing moves.
DOING = {
    "asking": Text(
        zh="等待批准 {code}（已等 {age}）", en="waiting for approval {code} (for {age})"
    ),
    "questioning": Text(
        zh="等待回答 {code}（已等 {age}）", en="waiting for an answer to {code} (for {age})"
    ),
    "retrying": Text(
        zh="{why}，{seconds} 秒后重试", en="{why}: model retrying, next try in {seconds} s"
    ),
    "command": Text(zh="正在执行命令 {command}，已 {age}", en="command running {age}: {command}"),
    "tool": Text(zh="正在使用工具 {tool}，已 {age}", en="tool {tool} at work for {age}"),
    "child": Text(zh="子任务执行中：{title}", en="a sub-agent is at work: {title}"),
    "thinking": Text(zh="模型在思考", en="the model is thinking"),
    "writing": Text(zh="模型在写回答", en="the model is writing"),
    "model": Text(zh="等待模型响应", en="waiting for the model"),
    "starting": Text(zh="OpenCode 还没有开始处理", en="OpenCode has not begun yet"),
}
STALLED = Text(
    zh="⚠️ {age}没有新进展；{doing}。/stop 可停止。E-STALL",
    en="⚠️ Nothing new for {age}; {doing}. /stop ends it. E-STALL",
)
