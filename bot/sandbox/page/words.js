// What the page says, in Chinese and in English; and what the stand-in's codes mean.

const zh = {
  about: "本机沙盒：这里扮演企业微信，机器人是真的",
  demo: "演示模型：按脚本作答，不联网",
  direct: "单聊",
  group: "群聊，只有 @机器人 的消息会送达",
  connected: "已连接服务",
  lost: "与服务的连接断了，正在重连…",
  placeholder: "输入消息，Enter 发送",
  send: "发送",
  attach: "发送文件或图片",
  back: "返回聊天列表",
  speakAs: "发言人",
  quote: "引用",
  unquote: "取消引用",
  up: "有用",
  down: "没用",
  late: "稍后送达",
  welcome: "欢迎语",
  sending: "发送中…",
  expired: "企业微信 6 分钟后不再更新这个气泡",
  thinking: "思考中",
  open: "查看",
  failed: "没有发出去，文字已放回输入框：",
  failedFile: "没有发出去：",
  close: "关闭",
  violation: "企业微信会拒绝",
  violations: (n) => `${n} 处违规`,
  restarted: "沙盒重新启动过：更早的聊天不再显示在这里；/result 可以再看答复。",
  empty: "还没有消息。试试下面的按钮，或直接说需求。",
  media: { image: "图片", file: "文件", video: "视频", voice: "语音", mixed: "图文" },
  prompts: ["做一个带按钮的小网页", "列一个三步计划", "想一想再回答", "长回答"],
  hello: "你好，你能做什么？",
  reasons: {
    not_mentioned: "没有 @机器人，它看不到这条消息",
    not_in_groups: "群聊里机器人收不到这种消息，请在单聊里发",
    too_many_open: "已有 3 条消息在等回复，企业微信不再送达新的",
    timeout: "服务 5 秒内没有回应，已重试 3 次",
    connection: "连不上服务，已重试 3 次",
    refused: "服务的回应被拒绝",
  },
  rules: {
    content_too_long: "内容超过 20480 字节",
    blank_final: "最终回复是空白的",
    blank: "内容是空白的",
    msgtype: "这种情况下不允许的回复类型",
    stream_id_changed: "流式回复换了 stream id",
    stream_id: "首次回复没有 stream id",
    repeat_other_stream: "重复的消息得到了另一个 stream id",
    items_before_finish: "图片只能随最后一次回复发送",
    feedback_too_long: "feedback id 太长",
    second_card: "一条消息只能有一张卡片",
    card: "卡片不合要求",
    task_id: "更新的卡片不是被点的那张",
    response_type: "点击卡片只能用更新卡片来回应",
    reply_signature: "签名不对",
    reply_nonce: "nonce 与回调不一致",
    reply_timestamp: "时间戳不对",
    verify: "回调地址验证失败",
    event_unanswered: "事件没有得到回应",
    late_used: "response_url 只能用一次",
    late_expired: "response_url 已过期",
    late_unknown: "response_url 无效",
  },
};

const en = {
  about: "Sandbox on this machine: WeCom is played, the bot is real",
  demo: "Scripted demo model, no network",
  direct: "Direct chat",
  group: "Group: only messages that @ the bot reach it",
  connected: "Connected to the service",
  lost: "The connection to the service is lost, trying again…",
  placeholder: "Message, Enter sends",
  send: "Send",
  attach: "Send a file or an image",
  back: "Back to the chats",
  speakAs: "Speaking:",
  quote: "Quote",
  unquote: "Do not quote",
  up: "Helpful",
  down: "Not helpful",
  late: "Late reply",
  welcome: "Welcome",
  sending: "Sending…",
  expired: "WeCom stops updating this bubble after 6 minutes",
  thinking: "Thinking",
  open: "Open",
  failed: "Not sent, your words are back in the box: ",
  failedFile: "Not sent: ",
  close: "Close",
  violation: "WeCom would refuse this",
  violations: (n) => (n === 1 ? "1 violation" : `${n} violations`),
  restarted: "The sandbox was started anew: the earlier chat is not shown here any more; /result shows an answer again.",
  empty: "Nothing here yet. Try a button below, or just say what you need.",
  media: { image: "Image", file: "File", video: "Video", voice: "Voice", mixed: "Text and image" },
  prompts: ["Make a small page with a button", "Make a plan in three steps", "Think before you answer", "Long answer"],
  hello: "Hello, what can you do?",
  reasons: {
    not_mentioned: "The bot was not @-ed and does not see this",
    not_in_groups: "Bots do not get this kind of message in groups; send it in the direct chat",
    too_many_open: "3 messages wait for an answer already; WeCom delivers no more",
    timeout: "The service did not answer within 5 s, 3 retries included",
    connection: "The service cannot be reached, 3 retries included",
    refused: "The service's answer was refused",
  },
  rules: {},
};

export const language = navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
export const T = language === "zh" ? zh : en;

/** Say why a message stands as it does. */
export function reason(code) {
  return T.reasons[code] ?? code.replace("_", " ");
}

/** Say which of WeCom's rules was broken. */
export function rule(code, detail) {
  const known = T.rules[code] ?? code.replaceAll("_", " ");
  return detail ? `${known} (${detail})` : known;
}
