"""What the commands about turns say, and what all commands share."""

from bot.texts import Text

USAGE = Text(zh="用法：{usage}。E-USAGE", en="How to use it: {usage}. E-USAGE")
NOT_FOR_ROLE = Text(
    zh="你没有使用 /{command} 的权限，没有执行任何操作。可请管理员操作；/whoami 查看你的角色。E-ROLE",
    en="You may not use /{command}; nothing was done. Ask an administrator; /whoami shows your role. E-ROLE",
)
OPENCODE_AWAY = Text(
    zh="OpenCode 现在连不上，/{command} 没有完成；消息和任务都还在。稍后再试，/status 查看。E-OC-DOWN",
    en="OpenCode cannot be reached, /{command} was not carried out; messages and tasks are kept. Try again later, /status tells more. E-OC-DOWN",
)
OPENCODE_REFUSED = Text(
    zh="OpenCode 拒绝了 /{command} 的请求，没有改动；消息和任务都还在。管理员可查日志。E-OC-REFUSED",
    en="OpenCode refused what /{command} asked for, nothing was changed; messages and tasks are kept. An administrator finds it in the log. E-OC-REFUSED",
)
NO_SUCH_TURN = Text(
    zh="本聊天没有任务 #{n}，没有执行任何操作。编号在每条回复的末尾。E-TURN",
    en="This chat has no task #{n}; nothing was done. The number is at the end of each reply. E-TURN",
)
NO_TURN_YET = Text(
    zh="本聊天还没有完成的任务。直接说需求即可。E-TURN",
    en="No task of this chat has ended yet. Just say what you need. E-TURN",
)
NOT_YOURS = Text(
    zh="#{n} 是 {starter} 发起的，没有改动。可请 {starter} 或管理员操作。E-ROLE",
    en="#{n} was started by {starter}; nothing was changed. Ask {starter} or an administrator. E-ROLE",
)
TURN = Text(zh="#{n} {title}", en="#{n} {title}")

NOTHING_RUNS = Text(zh="没有正在跑的任务。", en="Nothing is running.")
STOPPED = Text(
    zh="⛔ 已停止 #{n}，已有的部分留在它的回复里。/retry {n} 重新执行。",
    en="⛔ #{n} is stopped; what it has so far is in its reply. /retry {n} runs it again.",
)
STOPPING = Text(
    zh="⛔ 正在停止 #{n}，还没有确认停下；停下后它的回复会说明。/status 查看。",
    en="⛔ Stopping #{n}, not confirmed yet; its reply will say so. /status shows more.",
)
REST_RUNS = Text(
    zh="排队的 {count} 个接着执行；/stop all 全部取消。",
    en="The {count} in the queue run next; /stop all clears it.",
)
STOP_NOT_RUNNING = Text(
    zh="#{n} 没有在跑，没有停止任何任务。排队的用 /drop {n} 取消。E-TURN",
    en="#{n} is not running; nothing was stopped. /drop {n} takes it out of the queue. E-TURN",
)
STOP_ALL_QUEUED = Text(
    zh="⚠️ 没有正在跑的任务；将取消排队的 {count} 个。确认请发 /stop all yes",
    en="⚠️ Nothing is running; this drops the {count} in the queue. To go ahead send /stop all yes",
)
STOP_ALL_RUNNING = Text(
    zh="⚠️ 将停止正在跑的任务；没有排队的。确认请发 /stop all yes",
    en="⚠️ This stops what runs; nothing waits. To go ahead send /stop all yes",
)
STOP_ALL_ASKED = Text(
    zh="⚠️ 将停止正在跑的任务，并取消排队的 {count} 个。确认请发 /stop all yes",
    en="⚠️ This stops what runs and drops the {count} in the queue. To go ahead send /stop all yes",
)
STOP_ALL_NOTHING = Text(
    zh="没有正在跑的任务，队列也是空的。", en="Nothing is running and nothing waits."
)
DROPPED_ALL = Text(
    zh="🗑 已取消排队的 {count} 个：{turns}", en="🗑 Dropped {count} from the queue: {turns}"
)
QUEUE_WAS_EMPTY = Text(zh="队列是空的。", en="The queue was empty.")

RECYCLE_ASKED = Text(
    zh="⚠️ 重启 OpenCode 会打断其他聊天里的 {count} 个任务：{turns}。它们会收到已有内容，可以 /retry。确认请发 /stop! yes",
    en="⚠️ Restarting OpenCode interrupts {count} in other chats: {turns}. They get what there is and may /retry. To go ahead send /stop! yes",
)
RECYCLE_TURN = Text(zh="#{n} {sender}（{kind}）", en="#{n} {sender} ({kind})")
RECYCLE_KINDS = {
    "direct": Text(zh="单聊", en="direct"),
    "group": Text(zh="群聊", en="group"),
}
RECYCLE_MORE = Text(zh="等 {count} 个", en="and {count} more")
RECYCLED = Text(
    zh="♻️ OpenCode 已重启，可以继续使用。打断了 {count} 个任务，各聊天已收到说明。",
    en="♻️ OpenCode was restarted and is ready. {count} interrupted; each chat was told.",
)
RECYCLE_HELD = Text(
    zh="🔧 OpenCode 正在升级，升级时会重新启动；这里什么也没做。/stop 可以停止本聊天的任务。",
    en="🔧 OpenCode is being upgraded, which starts it anew; nothing was done here. /stop ends this chat's task.",
)
RECYCLE_FAILED = Text(
    zh="❌ OpenCode 已结束，但还没有重新起来；服务会继续尝试。/status 查看，原因在服务日志里。E-OC-DOWN",
    en="❌ OpenCode was ended and has not come up again; the service goes on trying. /status shows it, the log says why. E-OC-DOWN",
)
NOT_OURS = Text(
    zh="⚠️ 这个 OpenCode 不是由本服务启动的，不能重启它；请在它运行的地方重启。",
    en="⚠️ This OpenCode was not started by the service, which cannot restart it; restart it where it runs.",
)
LEFT = Text(
    zh="⛔ 已再次请求停止 #{n}，几秒后不再等它；下一条消息会先确认它已停下。",
    en="⛔ #{n} was asked to stop once more and is not waited for longer than some seconds; the next message makes sure first that it has stopped.",
)

FORCED_TURN = Text(zh="⏩ #{n} 排到最前，马上执行。", en="⏩ #{n} is first and runs now.")
FORCED_AFTER = Text(
    zh="⏩ #{n} 排到最前；#{running} 停下后马上执行。",
    en="⏩ #{n} is first; it runs as soon as #{running} has stopped.",
)
RUNS_ALREADY = Text(zh="#{n} 已经在跑了。/status 查看。", en="#{n} runs already. /status shows it.")
ENDED_ALREADY = Text(
    zh="#{n} 已经结束，没有执行。/retry {n} 再执行一次。E-TURN",
    en="#{n} has ended; nothing was run. /retry {n} runs it again. E-TURN",
)

QUEUE_RUNNING = Text(zh="▸ 正在跑 {turn} · {age}", en="▸ Running {turn} · {age}")
QUEUE_LINE = Text(
    zh="{position}. {turn} · {sender} · 等了 {age}",
    en="{position}. {turn} · {sender} · waiting {age}",
)
QUEUE_FORCED = Text(zh="⏩ 插队", en="⏩ forced")
QUEUE_EMPTY = Text(zh="没有排队的任务。", en="Nothing waits.")
QUEUE_FORCE = Text(zh="/force n 立即执行", en="/force n to run it now")
QUEUE_DROP = Text(zh="/drop n 取消", en="/drop n to cancel")
DROPPED = Text(zh="🗑 已取消 {turn}，它不会执行。", en="🗑 {turn} was dropped; it will not run.")
NOT_QUEUED = Text(
    zh="#{n} 不在队列里，没有取消。正在跑的用 /stop 停止。E-TURN",
    en="#{n} does not wait in the queue; nothing was dropped. /stop ends what runs. E-TURN",
)
RETRY_OPEN = Text(
    zh="#{n} 还没有结束，没有重复执行。/status 查看。E-TURN",
    en="#{n} has not ended yet, so it was not run again. /status shows it. E-TURN",
)

RESULT_HEAD = Text(zh="📄 {turn}", en="📄 {turn}")
RESULT_PART = Text(zh="📄 {turn}（{part}/{total}）", en="📄 {turn} ({part}/{total})")
RESULT_NEXT = Text(zh="下一段：/result {n} {part}", en="Go on with /result {n} {part}")
RESULT_PARTS = Text(
    zh="#{n} 的答复共 {total} 段，没有第 {part} 段。E-USAGE",
    en="The answer to #{n} has {total} parts, there is no part {part}. E-USAGE",
)
RESULT_QUEUED = Text(
    zh="#{n} 还在排队，没有结果。/queue 查看。",
    en="#{n} still waits in the queue. /queue shows it.",
)
RESULT_RUNNING = Text(
    zh="#{n} 还在跑，完成后会发出来。/status 查看进展。",
    en="#{n} is still running; its answer comes when it is done. /status shows how far it is.",
)
RESULT_DROPPED = Text(
    zh="#{n} 被取消了，没有执行。/retry {n} 执行它。",
    en="#{n} was dropped and never ran. /retry {n} runs it.",
)
RESULT_EMPTY = Text(zh="（没有文字答复）", en="(no words)")
