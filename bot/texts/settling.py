"""What the commands say that choose: sessions, agent, model, detail, language."""

from bot.texts import Text

NEW = Text(zh="🆕 下一条消息开新会话。", en="🆕 Your next message opens a new session.")
NEW_TITLED = Text(
    zh="🆕 下一条消息开新会话：{title}", en="🆕 Your next message opens a new session: {title}"
)
OTHERS_STAY = Text(
    zh="正在跑的和已排队的仍留在原会话。", en="What runs or waits already stays in its session."
)
BACK = Text(zh="/sessions 可找回旧会话。", en="/sessions finds the old one again.")
SESSIONS_NONE = Text(
    zh="本聊天还没有会话，下一条消息会开一个。",
    en="This chat has no session yet; your next message opens one.",
)
SESSIONS_HEAD = Text(zh="本聊天的会话：", en="The sessions of this chat:")
# Bullets: the numbers fall, and Markdown would count a numbered list up.
SESSION_LINE = Text(zh="- {number} · {title} · {age} 前", en="- {number} · {title} · {age} ago")
SESSION_CURRENT = Text(
    zh="- {number} ▸ {title} · {age} 前（当前）", en="- {number} ▸ {title} · {age} ago (current)"
)
SESSION_FRESH = Text(
    zh="- ▸ 新会话（下一条消息打开）", en="- ▸ a new one, opened by your next message"
)
SESSIONS_OLDER = Text(zh="…… 另有更早的 {count} 个", en="… and {count} older ones")
SESSIONS_HINT = Text(zh="/switch 编号 切换", en="/switch number goes back to one")
SWITCHED = Text(zh="🔀 下一条消息在这个会话里：{title}", en="🔀 Your next message runs in: {title}")
SWITCHED_ALREADY = Text(zh="已经在这个会话里：{title}", en="The chat is in it already: {title}")
RENAMED = Text(zh="✏️ 当前会话改名为：{title}", en="✏️ The current session is now called: {title}")

AGENT_NOW = Text(zh="🤖 智能体 {agent}（{why}）", en="🤖 Agent {agent} ({why})")
MODEL_NOW = Text(zh="🧠 模型 {model}（{why}）", en="🧠 Model {model} ({why})")
AGENTS = Text(zh="可选：{names}", en="There are: {names}")
MODELS = Text(zh="可选：\n{names}", en="There are:\n{names}")
MODELS_MORE = Text(
    zh="…… 另有 {count} 个；/model 名称的一部分 可查找",
    en="… and {count} more; /model with a part of the name finds one",
)
CHOSEN = Text(zh="从下一个任务起：", en="From the next task on:")
RESET = Text(
    zh="已恢复默认，从下一个任务起生效。", en="Back to the default, from the next task on."
)
PICK_AGENT = Text(
    zh="/agent 名称 改选 · /agent default 恢复默认", en="/agent name · /agent default"
)
PICK_MODEL = Text(
    zh="/model provider/model 改选 · /model default 恢复默认",
    en="/model provider/model · /model default",
)
ASKED_FOR = Text(zh="没有改动", en="nothing was changed")

DETAIL_NOW = Text(
    zh="详略：{level}。/detail quiet|normal|full|default",
    en="Detail: {level}. /detail quiet|normal|full|default",
)
DETAIL_SET = Text(
    zh="📐 详略改为 {level}，从下一个任务起。", en="📐 Detail is {level} from the next task on."
)
LEVELS = {
    "quiet": Text(zh="quiet（少）", en="quiet"),
    "normal": Text(zh="normal（适中）", en="normal"),
    "full": Text(zh="full（全部）", en="full"),
}
LANG_NOW = Text(zh="语言：{spoken}。/lang zh|en|auto", en="Language: {spoken}. /lang zh|en|auto")
LANG_SET = Text(zh="🌐 语言改为{spoken}。", en="🌐 The language is {spoken} now.")
LANGUAGES = {
    "zh": Text(zh="中文", en="Chinese"),
    "en": Text(zh="英文", en="English"),
    "auto": Text(zh="自动（跟随你的消息）", en="automatic (that of your messages)"),
}
