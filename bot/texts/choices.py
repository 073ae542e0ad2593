"""What people read about the agent and the model in force, and why these."""

from bot.texts import Text

AGENT_OF_CHAT = Text(zh="本聊天用 /agent 选的", en="/agent in this chat")
AGENT_OF_SETTINGS = Text(zh="设置 {origin}", en="set by {origin}")
AGENT_OF_CONFIG = Text(
    zh="OpenCode 配置里的 default_agent", en="default_agent of the server's /config"
)
AGENT_BUILD = Text(zh="OpenCode 的默认智能体", en="the server's default agent")
AGENT_FIRST = Text(
    zh="OpenCode 没有 build，用它的第一个智能体", en="the server's first agent: it has no build"
)
MODEL_OF_CHAT = Text(zh="本聊天用 /model 选的", en="/model in this chat")
MODEL_OF_AGENT = Text(zh="智能体 {agent} 自带的模型", en="the own model of agent {agent}")
MODEL_OF_SETTINGS = Text(zh="设置 {origin}", en="set by {origin}")
MODEL_OF_CONFIG = Text(zh="OpenCode 配置里的 model", en="model of the server's /config")
MODEL_OF_PROVIDER = Text(zh="{provider} 的默认模型", en="the default model of {provider}")
OVERRIDDEN = Text(
    zh="{why}；选了智能体，所以 {origin} 不起作用",
    en="{why}; {origin} does not apply, since an agent was chosen",
)

NO_SUCH_AGENT = Text(
    zh="OpenCode 没有智能体 {agent}（{why}）。可用：{known}。/agent 名称 改选，/agent default 恢复默认。E-AGENT",
    en="OpenCode has no agent {agent} ({why}). There are: {known}. /agent name chooses one, /agent default goes back to the default. E-AGENT",
)
NO_SUCH_MODEL = Text(
    zh="OpenCode 没有模型 {model}（{why}）。{near}/model provider/model 改选，/model default 恢复默认。E-MODEL",
    en="OpenCode has no model {model} ({why}). {near}/model provider/model chooses one, /model default goes back to the default. E-MODEL",
)
NEAR = Text(zh="相近的有：{names}。", en="These come near: {names}. ")
NEAR_ONE = Text(zh="要用它：/model {name}。", en="To use it: /model {name}. ")
NEAR_NONE = Text(
    zh="可选的有：{names}…，/model 查看全部。", en="There are: {names} …; /model shows more. "
)
NO_MODEL = Text(
    zh="OpenCode 没有可用的模型。请管理员登录一个模型服务，或设置 opencode.model。E-MODEL",
    en="OpenCode has no model to use. An administrator has to log in to a provider or set opencode.model. E-MODEL",
)
NO_AGENT = Text(
    zh="OpenCode 没有可用的智能体。请管理员检查它的配置。E-AGENT",
    en="OpenCode has no agent to use. An administrator has to look at its configuration. E-AGENT",
)
AS_SAID = Text(zh="{words}", en="{words}")
NONE = Text(zh="（无）", en="(none)")
