"""What people read about the life of a turn: receipts, waits, ends that we bring about."""

from bot.texts import Text

ACCEPTED = Text(zh="⏳ 收到，#{n} 开始处理……", en="⏳ Got it, starting #{n} …")
ACCEPTED_CLOSED = Text(
    zh="📥 已收到 #{n}，正在处理，完成后另发一条消息。/result {n}",
    en="📥 Got #{n} and working on it; the answer comes as a message of its own. /result {n}",
)
QUEUED_BEHIND = Text(
    zh="📥 已排队 #{n}（第 {position} 位，正在跑：{running} {age}）· /drop {n} 取消",
    en="📥 Queued as #{n} (position {position}; running: {running} {age}) · /drop {n} to cancel",
)
QUEUED = Text(
    zh="📥 已排队 #{n}（第 {position} 位，正在跑：{running} {age}）· /force {n} 立即执行 · /drop {n} 取消",
    en="📥 Queued as #{n} (position {position}; running: {running} {age}) · /force {n} to run it now · /drop {n} to cancel",
)
RESTARTING = Text(
    zh="📥 已排队 #{n}：服务正在重启，恢复后自动执行。",
    en="📥 Queued as #{n}: the service is restarting and runs it as soon as it is back.",
)
UPGRADING = Text(
    zh="📥 OpenCode 正在升级；你的消息已保存为 #{n}，升级完成后自动执行。",
    en="📥 OpenCode is being upgraded; your message is kept as #{n} and runs as soon as that is done.",
)
BUSY = Text(
    zh="⏳ 正在跑：{running} {age}，这条消息没有执行。请稍后重发，或 /force 文字 立即执行，/stop 停止。E-BUSY",
    en="⏳ Running: {running} {age}. This message was not run. Send it again later, /force text to run it now, or /stop. E-BUSY",
)
QUEUE_FULL = Text(
    zh="📥 队列已满（{limit} 条），这条消息没有排队。/queue 查看，/drop n 取消一条后重发。E-QUEUE-FULL",
    en="📥 The queue is full ({limit}), this message was not queued. /queue shows it; /drop n one and send again. E-QUEUE-FULL",
)
NOT_ADMITTED = Text(
    zh="你还没有使用权限。你的 ID 是 {sender}，请管理员把它加入 access.members（环境变量 BOT_MEMBERS）。E-ACCESS",
    en="You are not admitted yet. Your id is {sender}; ask an administrator to list it under access.members (BOT_MEMBERS). E-ACCESS",
)
STILL_WORKING = Text(
    zh="⌛ {command} 还在执行，结果稍后送达。",
    en="⌛ {command} is still at work; its result follows.",
)
COMMAND_FAILED = Text(
    zh="❌ {command} 没能完成，是服务内部的错误。请稍后再试；管理员可查日志。E-COMMAND",
    en="❌ {command} failed inside the service. Try again later; an administrator finds it in the log. E-COMMAND",
)
NOT_RUN = Text(
    zh="这条消息之前没有执行，请重发。", en="This message was not run; please send it again."
)
RECEIPT = Text(
    zh="📥 已收到 #{n}。/status 现状 · /result {n} 领取结果",
    en="📥 Got #{n}. /status shows where it stands · /result {n} its answer",
)
UNKNOWN_COMMAND = Text(
    zh="没有 /{name} 这个命令，没有执行任何操作。{hint}/help 查看全部。E-COMMAND-UNKNOWN",
    en="There is no command /{name}; nothing was done. {hint}/help lists them all. E-COMMAND-UNKNOWN",
)
DID_YOU_MEAN = Text(zh="你是不是想用 /{nearest}？", en="Did you mean /{nearest}? ")
COMMA = Text(zh="、", en=", ")
MEDIA_KINDS = {
    "image": Text(zh="图片", en="an image"),
    "file": Text(zh="文件", en="a file"),
    "video": Text(zh="视频", en="a video"),
    "voice": Text(zh="语音", en="a voice message"),
}
EMPTY_MESSAGE = Text(
    zh="请直接说需求，例如“写一个网页”。/help 查看命令。",
    en="Say what you need, for example “write a web page”. /help lists the commands.",
)
WELCOME = Text(
    zh="你好，我会把你的话交给 OpenCode 执行，并把结果发回来。\n▸ 直接说需求即可\n▸ /status 现状 · /stop 停止 · /new 新会话\n▸ /help 查看全部命令",
    en="Hello, I hand what you say to OpenCode and bring back what it did.\n▸ Just say what you need\n▸ /status · /stop · /new\n▸ /help lists all commands",
)
WELCOME_STRANGER = Text(
    zh="你好。你还没有使用权限，你的 ID 是 {sender}，请管理员把它加入 access.members。",
    en="Hello. You are not admitted yet. Your id is {sender}; ask an administrator to list it under access.members.",
)
WAITING_ANSWER = Text(
    zh="📬 #{n} 的结果（之前没能送达）：",
    en="📬 The answer to #{n} (it could not be brought earlier):",
)
UNKNOWN_DELIVERY = Text(
    zh="📭 #{n} 的结果已生成，但不确定你是否收到。发 /result {n} 重新领取。E-SEND-UNKNOWN",
    en="📭 #{n} is answered, but it is not certain that you got it. /result {n} shows it again. E-SEND-UNKNOWN",
)
FAILED_DELIVERY = Text(
    zh="📪 #{n} 的结果已生成，但没能送达。发 /result {n} 领取。E-SEND-FAILED",
    en="📪 #{n} is answered, but it could not be delivered. /result {n} shows it. E-SEND-FAILED",
)
OPENCODE_DOWN = Text(
    zh="OpenCode 暂时连不上。你的消息已保存为 #{n}，恢复后自动执行。E-OC-DOWN",
    en="OpenCode cannot be reached. Your message is kept as #{n} and runs as soon as it is back. E-OC-DOWN",
)
OPENCODE_LOST = Text(
    zh="与 OpenCode 的连接断了，正在重新接上 #{n}……",
    en="The connection to OpenCode is lost; taking #{n} up again …",
)
RESUMED = Text(
    zh="服务重启过，#{n} 已重新接上。", en="The service was restarted; #{n} was taken up again."
)
DROPPED = Text(zh="🗑 #{n} 已取消，没有执行。", en="🗑 #{n} was cancelled and not run.")
STOPPING = Text(zh="⛔ 正在停止……", en="⛔ Stopping …")
WILL_NOT_STOP = Text(
    zh="⛔ 已请求停止，但 OpenCode 20 秒后仍在执行；它一停下就会告诉你。管理员可用 /stop! 强制停止。E-STOP",
    en="⛔ A stop was asked for, but OpenCode still runs after 20 s; you will be told as soon as it has stopped. An administrator may force it with /stop! E-STOP",
)
STILL_BUSY = Text(
    zh="⏳ 这个会话里上一个任务还没停下，正在再次停止它；停下后马上执行 #{n}。/stop 放弃，管理员可用 /stop! 强制停止。E-STOP",
    en="⏳ An earlier task of this session is still at work and is being stopped once more; #{n} runs right after. /stop gives it up, an administrator may force it with /stop! E-STOP",
)
SWALLOWED = Text(
    zh="OpenCode 没有处理 #{n}，已重新提交一次。",
    en="OpenCode passed over #{n}; it was sent once more.",
)
NEARLY_OUT_OF_TIME = Text(
    zh="⏰ 已用去时限的 80%，到 {limit} 会自动停止。",
    en="⏰ 80 % of the time limit is used; it stops by itself at {limit}.",
)
ENDS = {
    "stop": Text(zh="⛔ 被 {by} 停止", en="⛔ Stopped by {by}"),
    "force": Text(zh="⛔ 被 {by} 中断", en="⛔ Interrupted by {by}"),
    "timeout": Text(
        zh="⏰ 超过时限 {limit}，已停止；会话保留，可以接着说。",
        en="⏰ Stopped at the time limit of {limit}; the session is kept, just go on.",
    ),
    "steps": Text(
        zh="🔁 超过 {steps} 步，已停止；会话保留，可以接着说。",
        en="🔁 Stopped after {steps} steps; the session is kept, just go on.",
    ),
    "restart": Text(
        zh="🔄 被服务重启打断。/retry {n} 重新执行",
        en="🔄 Interrupted by a restart of the service. /retry {n} runs it again",
    ),
    "upgrade": Text(
        zh="🔄 OpenCode 升级，任务被打断；已有内容保留。/retry {n} 重新执行",
        en="🔄 Interrupted by an upgrade of OpenCode; what there was is kept. /retry {n} runs it again",
    ),
    "recycle": Text(
        zh="🔄 {by} 重启了 OpenCode，任务被打断；已有内容保留。/retry {n} 重新执行",
        en="🔄 Interrupted: {by} restarted OpenCode; what there was is kept. /retry {n} runs it again",
    ),
}
INTERNAL = Text(
    zh="❌ 服务内部出错，#{n} 没有完成。管理员可查日志。/retry {n}",
    en="❌ The service itself failed; #{n} was not finished. An administrator finds it in the log. /retry {n}",
)
FILES_UNSEEN = Text(
    zh="⚠️ 没能检查这次改动了哪些文件，请管理员查看磁盘与日志。E-FILES",
    en="⚠️ It could not be looked up which files changed; an administrator should see disk and log. E-FILES",
)
UNSENT = Text(
    zh="📎 没有作为文件发送：{names}。/files {n} 列出全部。",
    en="📎 Not sent as files: {names}. /files {n} lists all.",
)
UNSENT_MORE = Text(
    zh="📎 没有作为文件发送：{names}，另有 {more} 个。/files {n} 列出全部。",
    en="📎 Not sent as files: {names} and {more} more. /files {n} lists all.",
)
UNSENT_OTHERS = Text(
    zh="📎 还有 {n} 个文件同样没有发送。", en="📎 {n} more files were not sent, for like reasons."
)
STOP_UNHEARD = Text(
    zh="OpenCode 没有确认停止，那边可能还在执行；下一条消息会先再停它一次。E-STOP",
    en="OpenCode did not confirm the stop and may still be at work; the next message stops it once more first. E-STOP",
)
OUT_OF_TIME_WAITING = Text(
    zh="❌ OpenCode 一直连不上，#{n} 没有执行。/retry {n}",
    en="❌ OpenCode could not be reached all the time; #{n} was not run. /retry {n}",
)
QUOTED = Text(zh="引用的消息：", en="Quoted message:")
