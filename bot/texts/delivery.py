"""What people read about the way of an answer: bubbles that close, answers that come otherwise."""

from bot.texts import Text

PREPARING = Text(zh="⏳ 正在准备……", en="⏳ Getting ready …")
NOTHING = Text(zh="（没有内容）", en="(nothing to show)")
HANDED_OVER = Text(
    zh="⏩ 继续处理，完成后会通知你。/status 现状 · /stop 停止",
    en="⏩ Still at work; you will be told when it is done. /status · /stop",
)
COMES_SEPARATELY = Text(
    zh="✅ #{n} 已完成，结果另发一条消息。没有收到？/result {n}",
    en="✅ #{n} is done; its answer comes as a message of its own. Did not get it? /result {n}",
)
NOTICE_COMES_SEPARATELY = Text(
    zh="✅ 已完成，结果另发一条消息。",
    en="✅ Done; the answer comes as a message of its own.",
)
SHOWN_ELSEWHERE = Text(
    zh="✅ #{n} 的结果已在别的消息里给出。/result {n} 再看一次",
    en="✅ The answer to #{n} was given in another message. /result {n} shows it again",
)
NOTICE_SHOWN_ELSEWHERE = Text(
    zh="✅ 已完成，结果已在别的消息里给出。",
    en="✅ Done; the answer was given in another message.",
)
ENDED = Text(
    zh="#{n} 已结束。/result {n} 领取结果",
    en="#{n} has ended. /result {n} shows its answer",
)
WILL_WAIT = Text(
    zh="⏳ #{n} 还在处理。这是现在能主动发给你的最后一条消息：完成后发 /result {n} 领取，或随便说句话，结果会先显示。",
    en="⏳ #{n} is still at work. This is the last message that can be sent to you unasked: /result {n} shows the answer once it is done, or write anything and it comes first.",
)
LOST_REPLY = Text(
    zh="服务重启过，这条消息的回复没有保留下来。/status 看现状，或重新发送。E-REPLY-LOST",
    en="The service was restarted and the reply to this message was not kept. /status shows where things stand; or send it again. E-REPLY-LOST",
)
UNKNOWN_BUBBLE = Text(
    zh="这条回复已过期，找不到了。/status 看现状，/result n 领取结果。E-REPLY-GONE",
    en="This reply is too old and no longer kept. /status shows where things stand, /result n an answer. E-REPLY-GONE",
)
UNSUPPORTED = Text(
    zh="这种消息暂时读不了，没有执行任何操作。请用文字描述。E-MESSAGE-TYPE",
    en="Messages of this kind cannot be read yet; nothing was done. Say it in words. E-MESSAGE-TYPE",
)
NOT_KEPT = Text(
    zh="这条消息没能保存下来，没有执行任何操作。请稍后重发。E-NOT-KEPT",
    en="This message could not be stored; nothing was done. Please send it again in a while. E-NOT-KEPT",
)
IN_FULL = Text(zh="完整回答", en="The whole answer")
CUT = Text(
    zh="回答太长，这里只显示开头部分。",
    en="The answer is too long for the chat; this was its beginning.",
)
OPEN = Text(zh="打开", en="Open")
