"""What a person who may not ask reads, in their language. Pure."""
# Pure. Uses babel.

from bots.access.decision import AccessCode
from shared.jobs import Platform
from shared.languages import find_language

ENGLISH = "en"
CONTACTS = {
    ENGLISH: "the people who run me",
    "de": "die Leute, die mich betreiben",
    "fr": "les personnes qui me gèrent",
    "es": "las personas que me administran",
}
NOT_ALLOWED = {
    ENGLISH: "You may not ask me here. Please ask {contact} to let you.",
    "de": "Du darfst mich hier nicht fragen. Bitte {contact} darum, dich zuzulassen.",
    "fr": "Vous ne pouvez pas me poser de questions ici. Demandez l'accès : {contact}.",
    "es": "No puedes preguntarme aquí. Pide acceso: {contact}.",
}
UNSURE = {
    ENGLISH: (
        "{platform} did not tell me who you are, so I cannot answer now. Please try again in a"
        " minute; if it stays so, ask {contact}."
    ),
    "de": (
        "{platform} hat mir nicht gesagt, wer du bist, darum kann ich gerade nicht antworten."
        " Versuche es in einer Minute noch einmal; bleibt es so, frage {contact}."
    ),
    "fr": (
        "{platform} ne m'a pas dit qui vous êtes : je ne peux pas répondre pour le moment."
        " Réessayez dans une minute ; si cela persiste, contactez {contact}."
    ),
    "es": (
        "{platform} no me ha dicho quién eres, así que ahora no puedo responder. Inténtalo de"
        " nuevo en un minuto; si continúa, contacta con {contact}."
    ),
}
USER_INSTALL = {
    ENGLISH: (
        "I do not work where a server has not added me. Use me in a server that has, or ask"
        " {contact}."
    ),
    "de": (
        "Ich arbeite nicht dort, wo ein Server mich nicht hinzugefügt hat. Nutze mich auf einem"
        " Server, der mich hat, oder frage {contact}."
    ),
    "fr": (
        "Je ne fonctionne pas là où un serveur ne m'a pas ajouté. Utilisez-moi sur un serveur qui"
        " l'a fait, ou contactez {contact}."
    ),
    "es": (
        "No funciono donde un servidor no me ha añadido. Úsame en un servidor que lo haya hecho, o"
        " contacta con {contact}."
    ),
}
STRANGER = {
    ENGLISH: (
        "I answer people of other organisations in shared channels alone. Please ask me there, or"
        " ask {contact}."
    ),
    "de": (
        "Leuten anderer Organisationen antworte ich nur in gemeinsamen Kanälen. Frage mich dort,"
        " oder frage {contact}."
    ),
    "fr": (
        "Je ne réponds aux personnes d'autres organisations que dans les canaux partagés."
        " Demandez-moi là-bas, ou contactez {contact}."
    ),
    "es": (
        "A personas de otras organizaciones solo les respondo en canales compartidos. Pregúntame"
        " allí, o contacta con {contact}."
    ),
}
SENTENCES = {
    AccessCode.UNSURE: UNSURE,
    AccessCode.USER_INSTALL: USER_INSTALL,
    AccessCode.STRANGER: STRANGER,
}
PLATFORMS = {Platform.SLACK: "Slack", Platform.DISCORD: "Discord", Platform.CONSOLE: "I"}


def refusal_sentence(code: AccessCode, platform: Platform, contact: str, locale: str) -> str:
    """The sentence for one person.

    Args:
        code: why they may not ask.
        platform: which could not say who they are.
        contact: whom to ask; empty for the people who run Parley.
        locale: the person's, such as ``de`` or ``es-ES``; English if there is none, or another.
    """
    language = find_language(locale.partition("-")[0].partition("_")[0]) or ENGLISH
    if language not in CONTACTS:
        language = ENGLISH
    sentence = SENTENCES.get(code, NOT_ALLOWED)[language]
    return sentence.format(contact=contact or CONTACTS[language], platform=PLATFORMS[platform])
