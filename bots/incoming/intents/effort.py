"""Phrases that ask for much thinking before the answer, or for none: ``think hard: …``.

In English, German, French and Spanish. A phrase has to fill a clause, and the clause has to stand
in the first or the last sentences: "I think hardly anybody …" and a pasted letter ask for nothing.
"""
# Pure.

import re
from collections.abc import Iterator
from dataclasses import dataclass

from shared.jobs import Effort

NUM_SENTENCES = 2
"""So many at the beginning and at the end of a message may hold the request."""
CODE = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
QUOTED_LINE = re.compile(r"^[ \t]*>.*$", re.MULTILINE)
SENTENCE_END = re.compile(r"(?<=[.!?…])\s+|\n+")
CLAUSE_END = re.compile(r"[.!?…]+|[,;:()]|\s[\u2013\u2014-]+\s|[\u2013\u2014]")
APOSTROPHES = re.compile("[\u2019\u02bc`\u00b4]")
TELLS = re.compile(
    r".*\b(?:say|says|said|saying|tell|tells|told|asked|wrote|means?|meant"
    r"|sagte|sagt|sagen|schrieb|meinte|dit|dire|disait|dijo|dice|decir)"
    r"(?: (?:me|us|him|her|them|you|mir|uns|ihm|ihr|que|that|dass))*"
)
"""A clause that quotes the next one, or the one before."""


@dataclass(frozen=True, slots=True)
class _Clause:
    """A part of a sentence, in lower case."""

    words: str
    before: str
    """The clause before it in its sentence; empty for the first."""
    after: str
    sign: str
    """What ends it."""


def effort_of(text: str) -> Effort | None:
    """The effort that a message asks for in words; None if it does not say."""
    for sentence in _sentences(text):
        for clause in _clauses(sentence):
            if TELLS.fullmatch(clause.before) or TELLS.fullmatch(clause.after):
                continue
            if any(phrase.fullmatch(clause.words) for phrase in OFF):
                return Effort.OFF
            if clause.sign in ":?" and any(phrase.fullmatch(clause.words) for phrase in OFF_BESIDE):
                return Effort.OFF
            if any(phrase.fullmatch(clause.words) for phrase in HARD):
                return Effort.HARD
    return None


def _sentences(text: str) -> list[str]:
    """The first and the last sentences, without code and quotes."""
    said = QUOTED_LINE.sub("", CODE.sub("\n", text))
    found = [part for part in SENTENCE_END.split(said) if part.strip()]
    if len(found) <= 2 * NUM_SENTENCES:
        return found
    return found[:NUM_SENTENCES] + found[-NUM_SENTENCES:]


def _clauses(sentence: str) -> Iterator[_Clause]:
    plain = APOSTROPHES.sub("'", sentence).lower()
    signs = [mark[0].strip()[:1] for mark in CLAUSE_END.finditer(plain)]
    clauses = [" ".join(part.split()).strip(" *_") for part in CLAUSE_END.split(plain)]
    for number, (words, sign) in enumerate(zip(clauses, [*signs, "."], strict=True)):
        if words:
            before = clauses[number - 1] if number else ""
            after = clauses[number + 1] if number + 1 < len(clauses) else ""
            yield _Clause(words, before, after, sign or "-")


def _phrases(opening: str, closing: str, *phrases: str) -> tuple[re.Pattern[str], ...]:
    """Each phrase between what may stand before it and behind it in the same clause."""
    return tuple(re.compile(rf"(?:{opening})*(?:{phrase})(?:{closing})*") for phrase in phrases)


_MUCH = (
    r"(?:(?:very |really |extra |super |long and |carefully and |hard and )*"
    r"(?:hard|harder|carefully|deep|deeper|deeply|long|longer|thoroughly|thoughtfully|step by step)"
    r"|as (?:hard|long|carefully|deeply) as (?:you can|possible|you need|you like))"
)
_FIRST = r"(?: (?:first|before (?:you )?(?:answer|reply|respond|answering|replying|responding)))"
_ABOUT = (
    r"(?:(?: (?:about|on|over) \S.*+)|(?: (?:how|why|what|whether|which) \S.*+)"
    r"|(?: (?:and|then|and then) (?:then )?(?:answer|reply|tell|explain|give|solve|write|find|check"
    r"|show|decide|say|work|list|propose|suggest|compare)\b.*+))"
)
ENGLISH_BEFORE = (
    r"(?:please|pls|hey|hi|hello|ok|okay|so|now|and|but|then|also|just|well|parley|let's|lets)\b ?"
    r"|(?:can|could|would|will) you "
    r"|i(?:'d| would)? (?:want|need|like) you to |this time "
)
ENGLISH_BEHIND = (
    r" (?:please|pls|thanks|thank you|for me|this time|again|ok|okay|now|here|on this one)"
)
ENGLISH_HARD = _phrases(
    ENGLISH_BEFORE,
    ENGLISH_BEHIND,
    rf"think {_MUCH}{_FIRST}?{_ABOUT}?",
    rf"think {_MUCH} about (?:it|this|that|your answer|the answer){_FIRST}",
    rf"think(?: about (?:it|this|that))?{_FIRST}",
    rf"think (?:about|on) (?:it|this|that) {_MUCH}{_FIRST}?",
    rf"think (?:it|this|that) (?:all )?through(?: {_MUCH})?{_FIRST}?",
    rf"(?:reason|think it out) (?:carefully|thoroughly|step by step){_FIRST}?{_ABOUT}?",
    rf"take your time (?:and|to) think(?: {_MUCH})?(?: (?:about|over|through) (?:it|this|that))?"
    rf"{_FIRST}?",
    r"give (?:it|this|that) (?:some|a lot of|lots of|a good deal of|serious|careful|real) thought",
    r"(?:use|with) (?:high|maximum|max|extended|deep) (?:thinking|reasoning)(?: effort)?",
    r"ultra ?think(?: about \S.*+)?",
)
ENGLISH_OFF = _phrases(
    ENGLISH_BEFORE,
    ENGLISH_BEHIND,
    r"(?:don't|do not|dont|no need to|you don't have to|you need not|stop) think(?:ing)?"
    rf"(?: (?:too |so |very )?(?:much|hard|long|deeply)(?: about (?:it|this|that))?)?{_FIRST}?",
    r"(?:don't|do not|dont) (?:overthink|over-think)(?: (?:it|this|that))?",
    r"(?:answer|reply|respond|tell me|say it)(?: me| this| it)?(?: quickly| at once)? without"
    r" (?:any |much |further )?thinking(?: about it| first| too much)?",
    r"(?:answer|reply|respond)(?: me| this| it)? (?:quickly|right away|straight away|immediately"
    r"|at once|off the top of your head)",
    r"(?:give me |i need |i want |i only need |i just need |just )?"
    r"an? (?:quick|fast|instant) answer(?: only| will do| is enough| is fine)?",
    r"(?:quick|fast|instant) answer(?: only)?",
    r"no thinking(?: needed| necessary| required)?|skip (?:the|your) (?:thinking|thoughts)",
)
GERMAN_BEFORE = (
    r"(?:bitte|hey|hallo|ok|okay|also|und|aber|dann|jetzt|nun|kannst du|könntest du|können sie"
    r"|könnten sie|parley|diesmal)\b ?"
)
GERMAN_BEHIND = r" (?:bitte|danke|diesmal|jetzt|mal|(?:bevor|ehe) (?:du antwortest|sie antworten))"
_WELL = (
    r"(?:(?:sehr |ganz |richtig |wirklich |noch |besonders |gut und |lange und )*"
    r"(?:gut|genau|genauer|gründlich|gründlicher|scharf|lange|länger|intensiv|sorgfältig|tief"
    r"|in ruhe|schritt für schritt))"
)
_ON_IT = r"(?: (?:darüber|drüber|über (?:die|diese) frage))"
GERMAN_HARD = _phrases(
    GERMAN_BEFORE,
    GERMAN_BEHIND,
    rf"(?:denk|denke|denkt|denken sie)(?: bitte)?(?: mal)?{_ON_IT}? {_WELL}{_ON_IT}? nach"
    r"(?: (?:über|warum|wie|was|ob) \S.*+)?",
    r"(?:denk|denke|denkt|denken sie)(?: bitte)? erst(?: mal)?(?: darüber)? nach",
    r"(?:denk|denke|denkt|denken sie)(?: bitte)? schritt für schritt",
    rf"(?:überleg|überlege|überlegt|überlegen sie)(?: dir| euch| sich)?(?: das| es)?(?: bitte)?"
    rf"(?: mal)? {_WELL}(?: (?:warum|wie|was|ob) \S.*+)?",
    rf"{_WELL}(?: darüber)? nachdenken|lass dir zeit (?:beim|zum) nachdenken",
    rf"{_WELL} überlegen",
)
GERMAN_OFF = _phrases(
    GERMAN_BEFORE,
    GERMAN_BEHIND,
    r"(?:denk|denke|denkt|denken sie)(?: bitte)? nicht (?:so |zu )?(?:lange |viel |groß |erst )?"
    r"(?:darüber )?nach",
    r"nicht (?:so |zu )?(?:lange |viel |groß |erst )?(?:darüber )?nachdenken",
    r"(?:antworte|antwortet|antworten sie|sag mir|sag es mir)(?: mir)?(?: bitte)?(?: einfach)? "
    r"(?:ohne (?:viel |lange |langes |groß )?(?:nachzudenken|nachdenken)|sofort|schnell|gleich)",
    r"(?:ich (?:brauche|will|möchte) )?(?:nur )?(?:eine )?schnelle antwort",
)
FRENCH_BEFORE = (
    r"(?:s'il te plaît|s'il vous plaît|stp|svp|bonjour|salut|ok|alors|et|mais|maintenant|parley"
    r"|peux-tu|pouvez-vous|pourrais-tu|pourriez-vous|merci de)\b ?"
)
FRENCH_BEHIND = (
    r" (?:s'il te plaît|s'il vous plaît|stp|svp|merci|cette fois|maintenant"
    r"|avant de (?:me )?répondre)"
)
_BIEN = (
    r"(?:bien|très bien|longuement|longtemps|sérieusement|profondément|attentivement|soigneusement"
    r"|davantage|plus|plus longtemps|étape par étape|pas à pas|à fond)"
)
_LA_DESSUS = r"(?: (?:à (?:ça|cela|cette question|la question|ta réponse)|là-dessus))"
FRENCH_HARD = _phrases(
    FRENCH_BEFORE,
    FRENCH_BEHIND,
    rf"(?:réfléchis|réfléchissez)(?:-y)? {_BIEN}{_LA_DESSUS}?",
    r"(?:réfléchis|réfléchissez)(?:-y)? avant de (?:me )?répondre",
    rf"(?:bien|longuement) (?:y )?réfléchir{_LA_DESSUS}?|(?:y )?réfléchir {_BIEN}{_LA_DESSUS}?",
    r"(?:pense|pensez|raisonne|raisonnez) (?:étape par étape|pas à pas)",
    rf"(?:prends|prenez) (?:ton|votre|le) temps (?:pour|de) (?:bien )?(?:y )?réfléchir"
    rf"{_LA_DESSUS}?",
)
FRENCH_OFF = _phrases(
    FRENCH_BEFORE,
    FRENCH_BEHIND,
    r"(?:ne |n'y )?(?:réfléchis|réfléchissez)(?:-y)? pas(?: trop| longtemps| trop longtemps)?",
    r"(?:réponds|répondez)(?:-moi)? (?:sans (?:y )?réfléchir|vite|rapidement|tout de suite"
    r"|immédiatement)",
    r"(?:(?:il me faut|je veux|donne-moi) )?(?:juste )?(?:une )?réponse rapide",
)
SPANISH_BEFORE = (
    r"(?:por favor|porfa|hola|ok|vale|entonces|y|pero|ahora|parley|puedes|podrías|puede|podría)\b ?"
)
SPANISH_BEHIND = (
    r" (?:por favor|porfa|gracias|esta vez|ahora|antes de (?:contestar|responder)(?:me)?)"
)
_MUCHO = (
    r"(?:bien|muy bien|mucho|a fondo|detenidamente|con cuidado|con calma|cuidadosamente"
    r"|profundamente|más|paso a paso)"
)
_EN_ELLO = (
    r"(?: (?:en|sobre|acerca de) (?:ello|eso|esto|la pregunta|esta pregunta|la respuesta"
    r"|tu respuesta))"
)
SPANISH_HARD = _phrases(
    SPANISH_BEFORE,
    SPANISH_BEHIND,
    rf"(?:piensa|piense|pensad|piensen|reflexiona|reflexione|razona|razone) {_MUCHO}{_EN_ELLO}?",
    rf"(?:piénsalo|piénselo|pensadlo|piénsenlo|pensarlo|pensar) {_MUCHO}{_EN_ELLO}?",
    r"(?:piensa|piense|reflexiona|reflexione|piénsalo|piénselo) antes de"
    r" (?:contestar|responder)(?:me)?",
    rf"(?:tómate|tómese) (?:tu|su|el) tiempo para pensar(?:lo)?(?: bien)?{_EN_ELLO}?",
)
SPANISH_OFF = _phrases(
    SPANISH_BEFORE,
    SPANISH_BEHIND,
    r"no (?:lo )?(?:pienses|piense|penséis|piensen)(?: (?:mucho|demasiado|tanto))?",
    r"(?:responde|responda|contesta|conteste|respóndeme|contéstame)"
    r" (?:sin pensar(?:lo)?|rápido|rápidamente|ya|de inmediato|enseguida)",
    r"(?:(?:quiero|necesito|dame) )?(?:solo |sólo )?(?:una )?respuesta rápida",
)
HARD = (*ENGLISH_HARD, *GERMAN_HARD, *FRENCH_HARD, *SPANISH_HARD)
OFF = (*ENGLISH_OFF, *GERMAN_OFF, *FRENCH_OFF, *SPANISH_OFF)
OFF_BESIDE = (
    *_phrases("", "", "without (?:any |much )?thinking(?: about it)?"),
    *_phrases("", "", "ohne (?:viel |lange |langes |groß )?(?:nachzudenken|nachdenken)"),
    *_phrases("", "", "sans (?:y )?réfléchir", "sin pensar(?:lo)?", "off the top of your head"),
)
"""Requests only before a colon or at the end of a question: else they tell how a thing was done."""
