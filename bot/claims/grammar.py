"""The words by which an answer says that it did something, in Chinese and English, or takes it back."""

import re
from dataclasses import dataclass

from bot.claims.paths import MARK


@dataclass(frozen=True, slots=True)
class Grammar:
    """How one language claims.

    ``claim`` finds a finished deed (its group ``verb``); ``strong`` one whose doer is the speaker.
    ``void`` takes a deed back when it stands before it, ``doubt`` anywhere in the clause, ``open``
    in front of the sentence. ``stop`` ends what the deed is about; ``source`` stands before what it
    was made from. ``moves`` leads from an old name to the new one. ``place`` says where
    something is and ``further`` begins a clause that goes on with the deed before it: both count
    behind a deed only. ``announce`` is the line above a list of made files.
    """

    claim: re.Pattern[str]
    strong: re.Pattern[str]
    void: re.Pattern[str]
    doubt: re.Pattern[str]
    open: re.Pattern[str]
    stop: re.Pattern[str]
    source: re.Pattern[str]
    moves: re.Pattern[str]
    place: re.Pattern[str]
    further: re.Pattern[str]
    announce: re.Pattern[str]


_EN_VERBS = (
    "created|re-?created|wrote|written|rewrote|rewritten|saved|generated|regenerated|added|updated"
    "|modified|edited|exported|produced|built|made|stored|placed|changed|fixed|refactored|converted"
    "|renamed|moved|copied|dumped|extracted|rendered|implemented|extended|drafted|compiled|patched"
    "|amended|appended|replaced|translated|set up|filled in"
)
_EN_HELP = r"(?:has|have|'ve|’ve|was|were|is|are|been|now|already|also|just|then|successfully|all)"

ENGLISH = Grammar(
    # "the updated config.json", "bundle.js, created by webpack" are no deeds of the speaker.
    claim=re.compile(
        rf"(?i)(?<!\bthe )(?<!\ba )(?<!\ban )(?<!\byour )(?<!\bthis )(?<!\bany )(?<!\bnewly )"
        rf"\b(?P<verb>{_EN_VERBS})\b(?! by (?!me\b))"
    ),
    strong=re.compile(
        rf"(?i)\b(?:I|we)(?:['’]ve| have)?(?: {_EN_HELP}| \w+ly)* (?P<verb>{_EN_VERBS}|put)\b"
    ),
    void=re.compile(
        r"(?i)\b(?:will|would|could|can|should|shall|may|might|must|wants?|wanted|going|plan(?:s|ned|ning)?"
        r"|needs?|needed|let me|let's|try|trying|tried|if|unless|once|when|whenever|until|before|whether"
        r"|not|no|never|nothing|none|neither|nor|hardly|failed|fails|unable|without|instead|rather"
        r"|they|he|she|who|someone|somebody|users?|please|be|being|ever|example|instance|e\.g"
        r"|previous|previously|originally|earlier|last|yesterday|ago|commit|colleague|supposed|expected"
        r"|expects?|hope|about to|asked|assuming|suppose|imagine|wish|cannot|after (?:you|running)"
        r"|was to|were to|says?|said|claims?|mentions?|shows?|showed|reports?|notice\w*|seems?|appears?)\b|n['’]t\b|['’]ll\b|(?<!\bfor )(?<!\bas )\byou\b"
    ),
    doubt=re.compile(
        r"(?i)\b(?:every|each|automatically|always|whenever|by default|at (?:build|run)[- ]?time"
        r"|on startup|or not|is needed|are needed|next time|if you)\b"
    ),
    open=re.compile(
        r"(?i)^\W*(?:if|when|whenever|once|unless|until|before|suppose|assuming|should you|had i"
        r"|for example|e\.g|todo|next step|next,|note to|in (?:the|a|an) (?:previous|last|earlier|old)|example|make sure|ensure|check (?:that|whether))\b"
    ),
    stop=re.compile(
        r"(?i)\b(?:which|that|so|because|since|where|while|when|if|like|similar|instead|using"
        r"|via|based|according|referenc\w+|link\w*|import\w*|loads?|loading|uses?|used|reads?|reading|run"
        r"|running|open|opening|see|remov\w+|delet\w+|drop\w*|without|not|but|than|for use|inside of"
        r"|into which|to (?:use|match|read|load|run|open|see|support|include|reflect|work|fit|make|import"
        r"|call|link|point|avoid|be))\b"
    ),
    source=re.compile(
        r"(?i)\b(?:from|using|with|via|based on|reading|like|see|per|according to|in response to"
        r"|of|than|unlike|for)\W*$"
    ),
    moves=re.compile(
        r"(?i)\b(?:renamed|moved|copied|converted|extracted|translated|compiled)\b.*?(?:\b(?:to|into|as)\b|->|→)"
    ),
    place=re.compile(
        r"(?i)\b(?:is|are|it's|lives?|located|find (?:it|them|the \w+)|found) (?:now )?(?:in|at|under)\b|\bpath:"
    ),
    further=re.compile(
        r"(?i)^\W*(?:which (?:I|we)(?:['’]ve| have)?(?: just| also)? (?:created|generated|wrote|written|added|saved|made)\b)"
    ),
    announce=re.compile(
        rf"(?i)^\W*(?:(?:the )?(?:following )?(?:new |changed )?files?(?: I)?(?: (?:that )?(?:were|was|have been))? "
        rf"(?:{_EN_VERBS})|(?:{_EN_VERBS})(?: (?:the )?(?:following )?files?)?|(?:new|changed|modified|output)"
        rf" files?|deliverables|what I (?:{_EN_VERBS}))\W*$"
    ),
)

_ZH_VERBS = (
    "重命名|另存为|改名|生成|创建|新建|建立|建好|写入|写好|写到|写进|写成|编写|撰写|保存|存到|存为|存入|存放"
    "|存储|导出|输出|更新|修改|改好|改写|改成|改为|修复|修好|调整|添加|新增|增加|加入|加上|加好|补充|补上|制作"
    "|做好|做成|放到|放在|放进|放入|整理|汇总|渲染|打包|转换|重写|替换|重构|实现|完成|落盘|翻译|拆分|合并|追加"
    "|画好|画|写|建|做|改|加|存(?!在)"
)
_ZH_AFTER = "(?:完成了?|完毕|成功|好了?|完了?|到了|在了|进了|入了|成了|为了|了)"
_ZH_THING = (
    "(?:结果|文件|报告|数据|图表?|页面|输出|内容|代码|脚本|日志|文档|表格|总结|清单|配置|截图)"
)
_ZH_TO = "(?:保存|存放|存储|存|输出|导出|写|放|整理|汇总)(?:在|到|于|至|入|进)"

CHINESE = Grammar(
    claim=re.compile(
        rf"(?:(?:已经?|刚刚|刚|成功|均|全部|都)(?P<between>[^。；，]{{0,24}}?)(?P<verb>{_ZH_VERBS})"
        rf"|(?P<verb2>{_ZH_VERBS}){_ZH_AFTER}|{_ZH_TO}(?=[^。；，]*了\W*$)|{_ZH_THING}(?:都|也|均)?(?P<verb3>{_ZH_TO}))(?!的)"
    ),
    strong=re.compile(r"(?!)"),
    void=re.compile(
        r"没(?!问题)|未|无法|不(?!同|过|仅|但|止|错|少|再)|(?<![分类级特区识鉴])别|勿|失败|如果|若(?!干)|假如|要是"
        r"|倘若|一旦|当(?!前|天|月|日)|除非|是否|能否|可以|可(?!视|读|靠|用|选|执)|(?<![机社商])会(?!议|员|话|计)"
        r"|将(?=会|要|在|把|来|为)|准备|打算|计划|需要|需(?!求)|(?<![对响适相反供])应(?!用|答|对)|请(?!求|假)"
        r"|建议|接下来|下一步|稍后|马上|正在|尝试|试图|想|让我|我来|确保|确认|检查|记得|例如|比如|假设|以为|本来"
        r"|原本|原来|之前|上次|以前|昨天|去年|上周|当时|(?<![为给帮替按照据])[你您](?!的?要求|好|说的|需要)"
        r"|用户(?:已|刚|之前|上传|自己)|同事|(?<!其)他|她|对方|别人|团队|如何|怎么|^\W*等|^\W*待|要不要|希望"
    ),
    doubt=re.compile(
        r"后再|的话|的时候|才能|就会|即可|吗|是否|有没有|要不要|会自动|每次|默认会|完成后会|之后会|后请"
    ),
    open=re.compile(
        r"^\W*(?:如果|若(?!干)|假如|要是|一旦|当(?!前)|除非|例如|比如|假设|待办|下一步|接下来|建议)"
    ),
    stop=re.compile(
        r"删除|移除|去掉|引用|参考|用于|用来|可以|运行|打开|依赖|读取|使用|调用|加载|需要|请|查看|来自|基于|根据"
        r"|通过|链接到|指向|而不是|不是|没有|未|例如|比如|供|以便|方便|即可|让|但|从|见|配合|对照|取代|代替"
    ),
    source=re.compile(
        r"(?:根据|基于|从|用|依据|参考|参照|按照?|读取|对照|见|看|打开|运行|执行|引用|来自|使用|通过|调用|依赖|由"
        r"|了解|分析|阅读)\s*$"
    ),
    moves=re.compile(r"(?:重命名|改名|转换|另存|复制|移动|移|翻译|转).*?(?:为|成|到|至|→|->)"),
    place=re.compile(
        r"位于|路径(?:为|是)?\s*[:：]?|文件(?:名|路径)?(?:为|是|叫)|(?:就)?在这里|^\W*就?在"
    ),
    further=re.compile(rf"^\W*(?:并|然后|再|同时|还|也|且)?(?:{_ZH_TO}|{_ZH_VERBS})"),
    announce=re.compile(
        r"^\W*(?:(?:本次|这次|共|一共|我)?(?:已经?)?(?:新增|生成|创建|修改|改动|变更|更新|产出|输出|新建)(?:了|的)?"
        r"(?:以下|如下|这些|下列)?(?:文件|内容)?(?:有|如下|列表|清单)?|(?:文件|产出)(?:清单|列表)?(?:已生成|已创建))\W*$"
    ),
)
LANGUAGES = (CHINESE, ENGLISH)

SENTENCE_END = re.compile(r"(?<=[。！？!?；;])|(?<=\.)(?=\s|$)")
CLAUSE_END = re.compile(
    r"[，,]|\s+(?:but|however|though|although)\s+|(?:但是|但|不过|然而|并且|而且)|\s[—–]\s|\s-\s|——"
)
QUESTION = re.compile(r"[?？]\s*$|吗\W*$|是否|有没有|要不要|需不需要|能不能")
# A clause that only lists further names goes on with the deed of the clause before it.
FURTHER = re.compile(
    rf"^\W*(?:(?:and|plus|as well as|also|then|以及|还有|和|及|与)\W*)?[{MARK}]|^\s*(?:and|以及|还有)\b"
)
