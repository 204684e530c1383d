"""What free text says about AI training: that it is forbidden, in many languages, or that it was granted.

In doubt it is forbidden: a word about AI and a word that denies make a ban, in whatever order they stand.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from lofi_pipeline.licensing import commons_names as names
from lofi_pipeline.licensing.text import fold

_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_CLOSING_WORD = re.compile(r"(?<=.) licen[cs]e$")

_ABOUT_AI = (
    # English, and what is written alike elsewhere
    r"ai|a i|agi|gen ?ai|(?:no)?ai|aiml|artificial intelligence|machine ?learn\w*|ml|deep learning|neural|llms?|language models?|models?|train\w*|fine ?tun\w*"
    r"|tdm\w*|data ?min\w*|datamining|text ?mining|data ?sets?|scrap(?:e|es|ed|ing|er|ers)|crawl\w*|generative|synthetic|synthesi[sz]\w*|robots?|bots?|algorithm\w*|spawning|noimageai|cawg|c2pa|aiml\w*"
    # German, Dutch, Scandinavian
    r"|ki|kuenstliche\w* intelligenz|kunstliche\w* intelligenz|maschinell\w* lern\w*|trainier\w*|anlern\w*|44b|60d|kunstmatige intelligentie|machinaal leren"
    r"|artificiell intelligens|kunstig intelligens|kunstig intelligens|maskin(?:inlarning|laering|laring)|traening\w*|traning\w*|opplaering|trene|trene\w*|tekoaly\w*|koneoppimi\w*|kouluttami\w*|koulutu\w*|opettami\w*"
    # French, Spanish, Italian, Portuguese, Catalan, Romanian
    r"|ia|iag|intelligence artificielle|apprentissage\w*|entrain\w*|fouille\w*|inteligenci\w* artificial\w*|aprendizaje|entren\w*|miner\w* de|aprendizado|aprendizagem|trein\w*|minerac\w*"
    r"|intelligenz\w* artificial\w*|apprendimento|addestr\w*|allen(?:are|amento)|estrazione di|intelligencia artificial|entrena\w*|inteligent\w* artificial\w*|antren\w*"
    # Polish, Czech, Hungarian, Turkish, Croatian, Indonesian, Vietnamese
    r"|si|sztuczn\w*|uczeni\w*|trenow\w*|trening\w*|umel\w* inteligenc\w*|strojov\w*|trenov\w*|mesterseges|gepi tanul\w*|tanit\w*|betanit\w*|mi|yapay zek\w*|makine ogren\w*|egit\w*"
    r"|umjetn\w* inteligenc\w*|strojno|kecerdasan buatan|pembelajaran mesin|pelatihan|melatih|tri tue nhan tao|hoc may|huan luyen"
    # Cyrillic, Greek, Hebrew, Arabic
    r"|ии|нейросет\w*|искусственн\w*|машинн\w*|обучени\w*|тренировк\w*|обучать|шi|ші|штучн\w*|навчанн\w*|тн|τεχνητ\w*|μηχανικ\w*|εκπαιδευσ\w*"
)
_ABOUT_AI_ANYWHERE = re.compile(
    r"人工知能|生成ai|ai|学習|機械|トレーニング|データマイニング|训练|訓練|人工智能|人工智慧|机器学习|機器學習|数据挖掘|資料探勘|생성형|인공지능|학습|훈련|머신러닝|בינה מלאכותית|אימון|ذكاء|الذكاء الاصطناعي|تدريب|ปัญญาประดิษฐ์|เทรน|ฝึก"
)
_DENIES = (
    r"no|not|non|nor|none|never|nope|without|w o|excl(?:ud\w*|usion\w*|u|us|ue|ues)?|except\w*|exempt\w*|prohibit\w*|prohibi\w*|forbid\w*|forbad\w*|ban|bans|banned|banning|den(?:y|ied|ies|ial)|disallow\w*|disclaim\w*"
    r"|reserv\w*|withh(?:eld|old\w*)|withdr\w*|revok\w*|revoc\w*|rescind\w*|terminat\w*|suspend\w*|opt(?:s|ed|ing)? ?out|optout|refus\w*|restrict\w*|unauthori[sz]\w*|unlicen[sc]ed|unpermitted|impermissible"
    r"|illegal|unlawful|off ?limits|barred|bar|bars|declin\w*|block\w*|don'?t|dont|doesn'?t|cannot|can'?t|cant|mustn'?t|won'?t|shan'?t|isn'?t|aren'?t|may not|object\w*|oppos\w*|stop|veto\w*|excluded|omit\w*|minus|lacks?|lacking|absent|outside|free of|free from|ruled out|human\w* only|only (?:for )?human\w*|void|nullif\w*|negat\w*|null|nil|false|zero|off|anti|expired|lapsed|cancel\w*|invalid\w*|dmi prohibited"
    r"|kein\w*|nein|nicht|ohne|nie|niemals|verbot\w*|verbiet\w*|untersag\w*|ausgeschlossen|ausgenommen|ausschlu\w*|vorbehalt\w*|nutzungsvorbehalt|widerruf\w*|widersproch\w*|widersprech\w*|widerspruch\w*|ausser|verweiger\w*|unzulassig|unzulaessig|unerlaubt|gesperrt"
    r"|pas|aucun\w*|sans|interdi\w*|jamais|sauf|prohib\w*|hormis|oppos\w*|refus\w*|retire\w*|ni"
    r"|sin|nunca|excepto|excluid\w*|salvo|ningun\w*|vetad\w*|deneg\w*|revocad\w*|prohibid\w*|queda fuera|nao|sem|proib\w*|exceto|exclui\w*|vedad\w*|nenhum\w*|negad\w*|revogad\w*"
    r"|senza|vieta\w*|divieto|mai|eccett\w*|esclus[oaie]|esclusione|riserv\w*|proibit\w*|nessun\w*|niente|tranne|revocat\w*|sense|cap|interzis\w*|fara|nu"
    r"|geen|niet|zonder|verboden|verbod|nooit|behalve|uitgesloten|uitgezonderd|voorbehoud\w*|inte|ingen|inget|inga|ej|utan|forbud\w*|forbju\w*|forbudt|ikke|uden|uten|kielletty|kielletaan|ilman|ei"
    r"|nie|zakaz\w*|bez|zabron\w*|zastrz\w*|brak|zakaz|ne|vyhrazen\w*|tilos|nem|nelkul|yasak\w*|degil|hayir|yok|olmaz|izni yok|zabranj\w*|dilarang|tidak|tanpa|cam|khong"
    r"|запрещ\w*|запрет\w*|не|нельзя|без|кроме|заборон\w*|απαγορευ\w*|οχι|χωρις|δεν|μη"
)
_DENIES_ANYWHERE = re.compile(
    r"禁止|不可|禁ず|禁じ|なし|無し|除く|除外|拒否|お断り|不許可|ません|しないで|ないで|遠慮|無断|ng|不得|不允许|不允許|请勿|請勿|勿|拒绝|拒絕|保留|嚴禁|严禁|禁|금지|불가|불허|제외|거부|없|아니|謝絕|谢绝|אסור|ללא|אין|ممنوع|يحظر|بدون|ห้าม|ไม่"
)
_ALONE = re.compile(
    r"\bno ?(?:gen)?ai\b|\bnoimageai\b|\btdm ?rep\b|\btdm reserv\w*|\b44b\b.*\burhg\b|\burhg\b.*\b44b\b|\bart(?:icle|ikel|icolo|iculo)? ?4 ?(?:3 )?.*\b(?:dsm|cdsm|2019 790|opt ?out)\b"
    r"|\b(?:dsm|cdsm)\b.*\bart(?:icle|ikel)? ?4\b|\bdo not train\b|\banti ai\b|\bai free\b|\bhumans? (?:use |listen\w* |ears )?only\b|\bno (?:scraping|bots?|robots?|training|datasets?|data ?mining|ml|llms?)\b|学習(?:禁止|不可|拒否|お断り)|禁止学習"
)
_HARMLESS = (
    r"\b(?:no|some) rights? reserved\b|\bno (?:attribution|credit)(?: (?:required|needed|necessary))?\b|\bnon ?exclusive(?:ly)?\b|\bnon ?transferable\b|\broyalty free\b|\bno copyright\b|\b(?:no|sin|sans|senza|sem) royalt\w*|\bnon ?commercial\w*"
    r"|\bno deriv\w*(?: works?)?|\ball rights reserved(?! (?:including|incl|include|also|and|for|in|on|of|as|with (?:respect|regard)|regarding|especially|particularly|reserv\w*|to)\b)"
    r"|\bsans exclusivite\b|\bnicht exklusiv\w*|\bno exclusiv\w*"
)
_GRANT = re.compile(
    r"\b(?:(?:with|incl\.?|including|includes|plus|and|&) )?(?:an? )?(?:explicit )?(?:exclusive |non exclusive )?ai training"
    r"(?: (?:rights?|grant|granted|permission|permitted|allowed|addendum|ok|included|licen[cs]e)){1,2}(?=$| )"
)


def bans_training(text: str) -> bool:
    """Whether a text says that AI training is not allowed, whatever else it says."""
    plain = _plain(text)
    if _ALONE.search(plain):
        return True
    rest = _harmless().sub(" ; ", plain)
    about, against = _words()
    return bool(
        (about.search(rest) or _ABOUT_AI_ANYWHERE.search(_unspaced(rest)))
        and (against.search(rest) or _DENIES_ANYWHERE.search(_unspaced(rest)))
    )


def _plain(text: str) -> str:
    """Words with one space between them, without case, accents and punctuation."""
    kept = (
        char if char.isalnum() or char == "'" or unicodedata.category(char).startswith("M") else " "
        for char in fold(_HUMP.sub(" ", text)).replace("\u2019", "'")
    )
    return " ".join("".join(kept).split())


def _unspaced(text: str) -> str:
    """The words in writings without spaces: everything but words of ASCII letters that stand apart."""
    return re.sub(r"(?<![^\W\d_])[a-z']+(?![^\W\d_])", " ", text)


@cache
def _words() -> tuple[re.Pattern[str], re.Pattern[str]]:
    return re.compile(rf"\b(?:{_ABOUT_AI})\b"), re.compile(rf"\b(?:{_DENIES})\b")


@cache
def _harmless() -> re.Pattern[str]:
    """What denies something else: the names of NonCommercial and NoDerivatives in all languages, "royalty free"."""
    listed = " | ".join(names.ELEMENTS[unit] for unit in ("nc", "nd")).split(" | ")
    phrases = {_plain(name.strip(" |\n")) for name in listed} - {""}
    ordered = "|".join(re.escape(phrase) for phrase in sorted(phrases, key=len, reverse=True))
    return re.compile(rf"{_HARMLESS}|(?<![^\W\d_])(?:{ordered})(?![^\W\d_])")


def without_grant(text: str) -> tuple[str, bool]:
    """A plain text without its grant of AI training, and whether there was one.

    `royalty free with ai training rights` gives `royalty free`, True. Words that put a condition on the grant stay in the
    text, so that it is then no known licence.
    """
    rest, found = _GRANT.subn("", text)
    return _CLOSING_WORD.sub("", " ".join(rest.split())), found > 0
