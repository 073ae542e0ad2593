"""What `/why` says: the life of a turn, edge by edge."""

from bot.texts import Text

HEAD = Text(zh="🔎 #{n} · {state}", en="🔎 #{n} · {state}")
WHO = Text(zh="发起人 {sender}，{at} 收到", en="By {sender}, received at {at}")
EDGE = Text(zh="{after} {edge} {facts}", en="{after} {edge} {facts}")
ASKS = {
    "permission": Text(
        zh="审批 {code}：{state} {decision} {by}", en="Approval {code}: {state} {decision} {by}"
    ),
    "question": Text(
        zh="提问 {code}：{state} {decision} {by}", en="Question {code}: {state} {decision} {by}"
    ),
}
DELIVERY = Text(zh="答复：{facts}", en="Answer: {facts}")
ATTEMPTS = Text(zh="尝试 {count} 次", en="attempts: {count}")
NO_DELIVERY = Text(zh="答复：还没有", en="Answer: none yet")
MORE_LINK = Text(
    zh="每一步的 JSON 与页面：[{url}]({url})", en="Every step as JSON and as a page: [{url}]({url})"
)
MORE = Text(
    zh="每一步的 JSON 与页面：管理页 {path}",
    en="Every step as JSON and as a page: {path} of the administration",
)
LEFT_OUT = Text(zh="…（略去 {count} 步）", en="… ({count} steps left out)")

EDGES = {
    "received": Text(zh="收到", en="received"),
    "stored": Text(zh="已存", en="stored"),
    "claimed": Text(zh="认领", en="claimed"),
    "taken_up": Text(zh="重启后接手", en="taken up after a restart"),
    "session_known": Text(zh="会话已定", en="session known"),
    "prompt_sent": Text(zh="正在发给 OpenCode", en="prompt about to leave"),
    "accepted": Text(zh="OpenCode 已接受", en="accepted by OpenCode"),
    "forgotten": Text(zh="OpenCode 没有收下", en="not kept by OpenCode"),
    "answered": Text(zh="OpenCode 已结束", en="over for OpenCode"),
    "halted": Text(zh="有人要求停止", en="asked to stop"),
    "forced": Text(zh="插队", en="forced"),
    "dropped": Text(zh="取消", en="dropped"),
    "final_stored": Text(zh="答复已存", en="final stored"),
    "sending": Text(zh="正在送出", en="being sent"),
    "shown": Text(zh="已送达", en="shown"),
    "unsent": Text(zh="没有送出，稍后再送", en="not sent, due again"),
    "refused": Text(zh="这个地址拒收", en="refused by that address"),
    "doubted": Text(zh="不确定是否送达", en="unknown whether it arrived"),
    "failed": Text(zh="送达失败", en="could not be delivered"),
    "retried": Text(zh="管理员要求重送", en="sent again by an administrator's wish"),
}
