"""What `/status` and `/help` say about the state of things."""

from bot.texts import Text

RUNNING = Text(
    zh="▸ 正在跑 {turn} · {age} · 第 {steps} 步", en="▸ Running {turn} · {age} · step {steps}"
)
DOING = Text(zh="　{doing} · 最近动静 {age} 前", en="  {doing} · last sign of life {age} ago")
NOTE = Text(zh="　{note}", en="  {note}")
IDLE = Text(zh="▸ 空闲", en="▸ Idle")
QUEUE = Text(zh="📥 排队 {count}：{turns}", en="📥 Queue {count}: {turns}")
QUEUE_EMPTY = Text(zh="📥 没有排队", en="📥 Nothing waits")
SESSION = Text(
    zh="💬 会话 {title} · 工作区 {workspace}", en="💬 Session {title} · workspace {workspace}"
)
SESSION_NEXT = Text(zh="（下一条消息开新会话）", en="(a new one with the next message)")
UNTITLED = Text(zh="（无标题）", en="(untitled)")
AGENT = Text(zh="🤖 智能体 {agent}（{why}）", en="🤖 Agent {agent} ({why})")
MODEL = Text(zh="🧠 模型 {model}（{why}）", en="🧠 Model {model} ({why})")
CHOICE_UNKNOWN = Text(
    zh="🤖 智能体和模型：OpenCode 连不上，暂时查不到",
    en="🤖 Agent and model: OpenCode cannot be asked now",
)
CHOICE_LATE = Text(
    zh="🤖 智能体和模型：OpenCode 还没有回答，稍后再发 /status",
    en="🤖 Agent and model: OpenCode has not answered yet; try /status again in a moment",
)
CHOICE_WRONG = Text(zh="⚠️ {problem}", en="⚠️ {problem}")
PENDING = Text(
    zh="🔐 待批准：{codes} · /pending", en="🔐 Waiting for a decision: {codes} · /pending"
)
DOUBTFUL = Text(
    zh="📭 不确定是否送达：{turns} · /result n 重新领取",
    en="📭 Perhaps not received: {turns} · /result n shows them again",
)
FAILED = Text(
    zh="📪 没能送达：{turns} · /result n 领取",
    en="📪 Could not be delivered: {turns} · /result n shows them",
)
ANSWER = Text(zh="#{n}", en="#{n}")
NOTICE = Text(zh="通知", en="a notice")
FILE = Text(zh="文件", en="a file")
UNDELIVERED = Text(zh="　{name} {state} · {age}", en="  {name} {state} · {age}")
UNDELIVERED_WHY = Text(
    zh="　{name} {state} · {age} · {cause}", en="  {name} {state} · {age} · {cause}"
)
MORE_DELIVERIES = Text(zh="　还有 {count} 条", en="  and {count} more")
ALL_DELIVERIES = Text(
    zh="📮 全部聊天未送达（不含本条顶部的）：{told}",
    en="📮 Not delivered, all chats (without what stands on top of this reply): {told}",
)
COUNTED = Text(
    zh="{state} {count}（最久 {oldest}）", en="{state} {count} (the oldest for {oldest})"
)
LINKS_ON = Text(zh="🔗 文件链接：可用", en="🔗 File links: on")
LINKS_OFF = Text(
    zh="🔗 文件链接：没有设置 server.public_url，只列文件名",
    en="🔗 File links: off, server.public_url is not set",
)
SERVER_READY = Text(zh="● OpenCode {version} 正常", en="● OpenCode {version} is up")
SERVER_STARTING = Text(
    zh="◐ OpenCode 正在启动，消息会保存并自动执行",
    en="◐ OpenCode is starting; messages are kept and will run",
)
SERVER_HELD = Text(
    zh="🔧 OpenCode 正在升级，消息会保存并在升级完成后执行",
    en="🔧 OpenCode is being upgraded; messages are kept and run once that is done",
)
SERVER_DOWN = Text(
    zh="○ OpenCode 连不上，消息会保存并在恢复后执行",
    en="○ OpenCode cannot be reached; messages are kept and run when it is back",
)
FEED_LOST = Text(
    zh="　事件流断开，正在用轮询跟进", en="  the event stream is cut, turns are followed by polling"
)
WARNING = Text(zh="⚠️ {warning}", en="⚠️ {warning}")

HELP_START = Text(zh="直接说需求即可。", en="Just say what you need.")
HELP_START_GROUP = Text(zh="直接说需求即可，群里请 @我。", en="Say what you need and @mention me.")
HELP_RUNNING = Text(
    zh="▸ 正在跑：{turn} {age}（排队 {count}）", en="▸ Running: {turn} {age} ({count} waiting)"
)
HELP_PENDING = Text(zh="▸ 等你决定：{codes}", en="▸ Waiting for a decision: {codes}")
HELP_DOUBTFUL = Text(zh="▸ 不确定是否送达：{turns}", en="▸ Perhaps not received: {turns}")
HELP_MORE = Text(
    zh="/help {topics}：例子；/help 命令名：说明",
    en="/help {topics}: examples; /help command: more",
)
HELP_TOPIC = Text(zh="【{title}】", en="{title}:")
HELP_ALIASES = Text(zh="也可写作：{words}", en="Also: {words}")
HELP_UNKNOWN = Text(
    zh="没有“{word}”这个主题或命令。{hint}/help 查看全部。E-HELP",
    en="There is no topic or command “{word}”. {hint}/help lists them all. E-HELP",
)
HELP_HINT = Text(zh="是不是 /help {nearest}？", en="Did you mean /help {nearest}? ")
