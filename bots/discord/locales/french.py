"""French texts of commands, options, menus and forms."""

FRENCH = {
    # Commands
    "ask": "demander",
    "summarize": "résumer",
    "translate": "traduire",
    "write": "écrire",
    "complete": "continuer",
    "sentiment": "ambiance",
    "learn": "apprendre",
    "opt-out": "se-retirer",
    "opt-in": "participer",
    "new": "nouveau",
    "stop": "arrêter",
    "quota": "quota",
    "settings": "réglages",
    "forget-me": "oublie-moi",
    "help": "aide",
    # Options
    "question": "question",
    "private": "privé",
    "hours": "heures",
    "since_me": "depuis_moi",
    "about": "sujet",
    "language": "langue",
    "text": "texte",
    "form": "genre",
    "tone": "ton",
    "length": "longueur",
    "max_tokens": "maximum",
    "temperature": "température",
    "top_p": "top_p",
    "seed": "graine",
    "days": "jours",
    "file": "fichier",
    # Choices
    "email": "e-mail",
    "announcement": "annonce",
    "ad": "publicité",
    "news": "nouvelle",
    "reply": "réponse",
    "short": "court",
    "medium": "moyen",
    "long": "long",
    # Menus and forms
    "Translate": "Traduire",
    "Summarize from here": "Résumer à partir d'ici",
    "Draft a reply": "Préparer une réponse",
    "Sentiment": "Ambiance",
    "Ask about this": "Poser une question",
    "What do you want to know about it?": "Que voulez-vous savoir ?",
    # Descriptions
    "Answer a question from the documents that I know here": (
        "Répondre à une question d'après les documents que je connais ici"
    ),
    "What you want to know": "Ce que vous voulez savoir",
    "Whether you alone see the answer": "Si vous seul voyez la réponse",
    "Sum up this thread, or what was said in this channel lately": (
        "Résumer ce fil, ou ce qui s'est dit récemment dans ce salon"
    ),
    "How far back; without it a thread is summed up whole, a channel for a day": (
        "Jusqu'où remonter ; sinon, un fil en entier, un salon sur un jour"
    ),
    "Only what was said since you last wrote here": (
        "Seulement ce qui s'est dit depuis votre dernier message ici"
    ),
    "What interests you most": "Ce qui vous intéresse le plus",
    "Translate a text": "Traduire un texte",
    "Into which language": "Dans quelle langue",
    "The text": "Le texte",
    "Write something for you": "Écrire quelque chose pour vous",
    "What it is to be": "Ce que ce doit être",
    "What it is about": "De quoi il s'agit",
    "How it is to sound, such as friendly or formal": (
        "Le ton voulu, par exemple amical ou formel"
    ),
    "How long": "De quelle longueur",
    "Go on with a text as the model would, without a conversation": (
        "Continuer un texte comme le ferait le modèle, sans conversation"
    ),
    "How it begins": "Comment il commence",
    "At most so many tokens more": "Au plus tant de tokens en plus",
    "0 is always the likeliest word; above 1 it gets wild": (
        "0 : toujours le mot le plus probable ; au-delà de 1, c'est la fantaisie"
    ),
    "Only the likeliest words that make up so much of all chances": (
        "Seulement les mots les plus probables qui réunissent cette part des chances"
    ),
    "The same seed goes on the same way again": "La même graine donne de nouveau la même suite",
    "Draw how this channel has felt lately": "Dessiner l'ambiance récente de ce salon",
    "How far back": "Jusqu'où remonter",
    "Teach me a document that I answer questions from in this channel": (
        "M'apprendre un document d'après lequel je réponds dans ce salon"
    ),
    "Markdown, text, HTML, PDF or Word": "Markdown, texte, HTML, PDF ou Word",
    "Or the text itself": "Ou le texte lui-même",
    "Leave your messages out of summaries, ratings and what is learned": (
        "Laisser vos messages hors des résumés, des évaluations et de ce qui est appris"
    ),
    "Take your messages into summaries, ratings and what is learned": (
        "Reprendre vos messages dans les résumés, les évaluations et ce qui est appris"
    ),
    "Begin this direct message or thread afresh": ("Recommencer ce message privé ou ce fil à zéro"),
    "Stop the answers that I am writing for you here": (
        "Arrêter les réponses que j'écris pour vous ici"
    ),
    "How much you have asked today, and how much is left": (
        "Ce que vous avez demandé aujourd'hui, et ce qui reste"
    ),
    "When and how I answer in this channel, or in the whole server": (
        "Quand et comment je réponds dans ce salon ou sur tout le serveur"
    ),
    "Delete what I have kept of you": "Effacer ce que j'ai gardé de vous",
    "What I can do here": "Ce que je sais faire ici",
}
"""English words -> French."""
