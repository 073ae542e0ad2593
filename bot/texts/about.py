"""What `/help` and the documentation say about each command."""

from dataclasses import dataclass

from bot.texts import Text


@dataclass(frozen=True, slots=True)
class About:
    """A command in words: a label of one or two words, how it is written, what it does."""

    label: Text
    usage: Text
    summary: Text

    @property
    def word(self) -> Text:
        """The verb as people type it: the bare alias in Chinese, the slash command in English."""
        return Text(zh=self.label.zh, en=self.usage.en.split()[0])


@dataclass(frozen=True, slots=True)
class Topic:
    """A group of commands in `/help`: its title, the words that name it, examples."""

    title: Text
    words: tuple[str, ...]
    examples: Text


TALKING = Topic(
    title=Text(zh="对话", en="talking"),
    words=("对话", "任务", "talk", "turns"),
    examples=Text(
        zh="例：\n/force 先修登录 — 打断正在跑的，先做这件\n/result 31 2 — 看 #31 答复的第 2 段",
        en="Examples:\n/force fix the login first — interrupts what runs\n/result 31 2 — the second part of the answer to #31",
    ),
)
SESSIONS = Topic(
    title=Text(zh="会话", en="sessions"),
    words=("session",),
    examples=Text(
        zh="例：\n/new 修复登录 — 之后的话都在新会话里\n/switch 2 — 回到 /sessions 里的第 2 个会话",
        en="Examples:\n/new fix the login — what follows runs in a new session\n/switch 2 — back to session 2 of /sessions",
    ),
)
CHOOSING = Topic(
    title=Text(zh="选择", en="choosing"),
    words=("设置", "模型", "choose", "settings"),
    examples=Text(
        zh="例：\n/model — 看现在用哪个模型、为什么\n/agent plan — 本聊天改用 plan\n/model default — 恢复默认",
        en="Examples:\n/model — which model is used, and why\n/agent plan — this chat uses plan\n/model default — back to the default",
    ),
)
FILES = Topic(
    title=Text(zh="文件", en="files"),
    words=("file",),
    examples=Text(
        zh="例：\n/files — 最近一次任务改了哪些文件\n/diff 31 — #31 改了什么",
        en="Examples:\n/files — the files that the last task changed\n/diff 31 — what #31 changed in them",
    ),
)
APPROVALS = Topic(
    title=Text(zh="审批", en="approvals"),
    words=("批准", "approval", "approve"),
    examples=Text(
        zh="例：\n允许 a7k — 只放行这一次\n本任务 a7k — 本任务内同类都放行\n拒绝 a7k 不要动数据库 — 理由会告诉模型\n回答 b3m 用红色",
        en="Examples:\n/allow a7k — this once\n/always a7k — and the like of it in this task\n/deny a7k leave the database alone — the model is told why\n/answer b3m the red one",
    ),
)
PEOPLE = Topic(
    title=Text(zh="权限", en="people"),
    words=("管理", "成员", "access", "roles"),
    examples=Text(
        zh="没有权限的人也能用 /whoami，把显示的那一行交给管理员。",
        en="/whoami works without being admitted too: hand the line that it shows to an administrator.",
    ),
)
TOPICS = (TALKING, SESSIONS, CHOOSING, FILES, APPROVALS, PEOPLE)

HELP = About(
    label=Text(zh="帮助", en="this list"),
    usage=Text(zh="/help [主题或命令]", en="/help [topic or command]"),
    summary=Text(
        zh="列出你能用的命令；带主题给出例子，带命令名说明这一个命令。",
        en="Lists the commands that you may use; a topic gives examples, a command's name explains it.",
    ),
)
NEW = About(
    label=Text(zh="新会话", en="new session"),
    usage=Text(zh="/new [标题]", en="/new [title]"),
    summary=Text(
        zh="之后的消息在新会话里执行；正在跑的和已排队的任务仍留在原会话。旧会话用 /switch 找回。",
        en="What you say from now on runs in a new session; what runs or waits already stays in the old one. /switch goes back.",
    ),
)
STOP = About(
    label=Text(zh="停止", en="end the task"),
    usage=Text(zh="/stop [all]", en="/stop [all]"),
    summary=Text(
        zh="停止正在跑的任务，已有的结果会留下，排队的接着跑；/stop all 连排队的一起取消（需确认）。发起人、维护者和管理员可用。",
        en="Stops what runs and keeps what it has so far; what waits runs next. /stop all clears the queue too, after a confirmation. For the starter, maintainers and administrators.",
    ),
)
RECYCLE = About(
    label=Text(zh="强制停止", en="restart OpenCode"),
    usage=Text(zh="/stop! [yes]", en="/stop! [yes]"),
    summary=Text(
        zh="任务怎么也停不下来时重启 OpenCode：所有正在跑的任务被打断，各聊天会收到已有内容；影响其他聊天时先列出来，需确认。外部的 OpenCode 不能重启，只放弃本聊天的任务。管理员可用。",
        en="Restarts OpenCode when nothing else stops a task: all that runs is interrupted, and each chat gets what there is. Names the other chats' tasks first and asks. An OpenCode that the service did not start is left alone; only this chat's task is given up. For administrators.",
    ),
)
FORCE = About(
    label=Text(zh="插队", en="run now"),
    usage=Text(zh="/force 文字 或 /force n", en="/force text or /force n"),
    summary=Text(
        zh="停止正在跑的任务，马上执行这段文字，或把排队的 #n 提到最前。没有任务在跑时直接执行。发起人、维护者和管理员可以打断。",
        en="Stops what runs and runs this text next, or the queued #n. Simply runs it when nothing is running. The starter, maintainers and administrators may interrupt.",
    ),
)
STATUS = About(
    label=Text(zh="现状", en="how it stands"),
    usage=Text(zh="/status", en="/status"),
    summary=Text(
        zh="一屏看清：正在跑什么、排队、会话、智能体和模型（以及为什么是它）、待批准、不确定是否送达的答复、OpenCode 状态。",
        en="One screen: what runs, what waits, session, agent and model and why these, approvals, answers that may be lost, the state of OpenCode.",
    ),
)
QUEUE = About(
    label=Text(zh="队列", en="what waits"),
    usage=Text(zh="/queue", en="/queue"),
    summary=Text(zh="列出正在跑的和排队的任务。", en="Lists what runs and what waits, in order."),
)
DROP = About(
    label=Text(zh="取消排队", en="unqueue"),
    usage=Text(zh="/drop n", en="/drop n"),
    summary=Text(
        zh="取消排队中的 #n，不会执行。自己的任何人可取消，别人的需要维护者。",
        en="Takes #n out of the queue; it will not run. Your own, or anybody's for maintainers.",
    ),
)
RETRY = About(
    label=Text(zh="重试", en="run again"),
    usage=Text(zh="/retry [n]", en="/retry [n]"),
    summary=Text(
        zh="把 #n（默认最近一个）的原话再执行一次，成为一个新任务。",
        en="Runs the words of #n, by default the last one, again as a new task.",
    ),
)
RESULT = About(
    label=Text(zh="领取", en="answer again"),
    usage=Text(zh="/result [n] [段]", en="/result [n] [part]"),
    summary=Text(
        zh="再看 #n（默认最近一个）的答复；长答复分段，/result n 2 看第 2 段。",
        en="Shows the answer to #n, by default the last one, again; a long one comes in parts, /result n 2 is the second.",
    ),
)
SESSION_LIST = About(
    label=Text(zh="会话列表", en="all sessions"),
    usage=Text(zh="/sessions", en="/sessions"),
    summary=Text(
        zh="列出本聊天的会话，编号用于 /switch。",
        en="Lists the sessions of this chat with the numbers that /switch takes.",
    ),
)
SWITCH = About(
    label=Text(zh="切换", en="go back"),
    usage=Text(zh="/switch 编号", en="/switch number"),
    summary=Text(
        zh="回到 /sessions 里的某个会话，从下一条消息起生效。",
        en="Goes back to a session by its number in /sessions, from the next message on.",
    ),
)
RENAME = About(
    label=Text(zh="改名", en="new title"),
    usage=Text(zh="/rename 标题", en="/rename title"),
    summary=Text(zh="给当前会话改标题。", en="Gives the current session another title."),
)
AGENT = About(
    label=Text(zh="智能体", en="who works"),
    usage=Text(zh="/agent [名称 或 default]", en="/agent [name or default]"),
    summary=Text(
        zh="看或改本聊天的智能体。选了智能体，就用它自己的模型，除非用 /model 另选。",
        en="Shows or chooses the agent of this chat. A chosen agent brings its own model, unless /model chose one.",
    ),
)
MODEL = About(
    label=Text(zh="模型", en="which model"),
    usage=Text(zh="/model [provider/model 或 default]", en="/model [provider/model or default]"),
    summary=Text(
        zh="看或改本聊天的模型，并说明现在为什么用它。",
        en="Shows or chooses the model of this chat, and says why it is the one in use.",
    ),
)
DETAIL = About(
    label=Text(zh="详略", en="how much"),
    usage=Text(zh="/detail [quiet|normal|full|default]", en="/detail [quiet|normal|full|default]"),
    summary=Text(
        zh="回复里显示多少过程：quiet 少、normal 适中、full 全部。",
        en="How much of the work a reply shows: quiet, normal or full.",
    ),
)
LANG = About(
    label=Text(zh="语言", en="language"),
    usage=Text(zh="/lang [zh|en|auto]", en="/lang [zh|en|auto]"),
    summary=Text(
        zh="机器人说中文、英文，或跟随你的上一条消息。",
        en="The bot speaks Chinese, English, or the language of your last message.",
    ),
)
FILE_LIST = About(
    label=Text(zh="文件列表", en="changed files"),
    usage=Text(zh="/files [n]", en="/files [n]"),
    summary=Text(
        zh="列出 #n（默认最近一个）改动的文件和链接。",
        en="Lists the files that #n, by default the last task, changed, with links.",
    ),
)
DIFF = About(
    label=Text(zh="差异", en="what changed"),
    usage=Text(zh="/diff [n]", en="/diff [n]"),
    summary=Text(
        zh="看 #n（默认最近一个）改了什么；没有公网地址时直接在聊天里显示一小段。",
        en="Shows what #n, by default the last task, changed; without a public URL a short diff right in the chat.",
    ),
)
SEND = About(
    label=Text(zh="发送", en="send a file"),
    usage=Text(zh="/send 路径", en="/send path"),
    summary=Text(
        zh="把工作目录里的文件发到聊天里（最大 20 MB）；不能直接发送的地方给出链接。",
        en="Sends a file of the workspace to the chat (20 MB at most); where none can be sent, a link.",
    ),
)
PENDING = About(
    label=Text(zh="待批准", en="open requests"),
    usage=Text(zh="/pending", en="/pending"),
    summary=Text(
        zh="列出等人决定的请求和提问。",
        en="Lists the requests and questions that wait for a person.",
    ),
)
ALLOW = About(
    label=Text(zh="允许", en="let it"),
    usage=Text(zh="/allow 编号", en="/allow code"),
    summary=Text(
        zh="只放行这一次。也可直接回复：允许 编号。发起人、维护者和管理员可用。",
        en="Lets the agent do it, this once. For the starter of the task, maintainers and administrators.",
    ),
)
ALWAYS = About(
    label=Text(zh="同类放行", en="the like too"),
    usage=Text(zh="/always 编号", en="/always code"),
    summary=Text(
        zh="放行，本任务内同类的请求不再问；任务结束即失效。也可直接回复：本任务 编号。",
        en="Lets the agent do it, and the like of it until the task is over, without asking again.",
    ),
)
DENY = About(
    label=Text(zh="拒绝", en="refuse"),
    usage=Text(zh="/deny 编号 [理由]", en="/deny code [reason]"),
    summary=Text(
        zh="拒绝，理由会告诉模型，任务继续。也可直接回复：拒绝 编号 理由。",
        en="Refuses it; the model is told the reason and goes on.",
    ),
)
ANSWER = About(
    label=Text(zh="回答", en="reply"),
    usage=Text(zh="/answer 编号 内容", en="/answer code text"),
    summary=Text(
        zh="回答模型的提问：选项的序号、选项文字或任意文字。也可直接回复：回答 编号 内容。",
        en="Answers a question of the model: an option's number, its words, or words of your own.",
    ),
)
WHOAMI = About(
    label=Text(zh="我是谁", en="who I am"),
    usage=Text(zh="/whoami", en="/whoami"),
    summary=Text(
        zh="显示你的 ID、角色，以及管理员要添加的那一行。没有权限的人也能用。",
        en="Shows your id, your role and the line that an administrator must add. Works for everybody.",
    ),
)
WHY = About(
    label=Text(zh="为什么", en="why"),
    usage=Text(zh="/why [编号]", en="/why [n]"),
    summary=Text(
        zh="一个任务走过的每一步：何时、由谁、OpenCode 怎么说、答复怎么送出。不含任何内容。限管理员。",
        en="Every step of a task: when, by whom, what OpenCode said, how the answer left. No word of what was said. Administrators only.",
    ),
)
DOCTOR = About(
    label=Text(zh="检查", en="what is wrong"),
    usage=Text(zh="/doctor", en="/doctor"),
    summary=Text(
        zh="检查整个服务：配置、回调、会话、存储、链接、安全、运行环境；先列出问题和解决办法，不含任何密钥。限管理员。",
        en="Looks at the whole service: settings, callback, sessions, store, links, security, the machine; what is wrong first, with its mend, and no secret. Administrators only.",
    ),
)
