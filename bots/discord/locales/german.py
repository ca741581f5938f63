"""German texts of commands, options, menus and forms."""

GERMAN = {
    # Commands
    "ask": "frage",
    "summarize": "zusammenfassen",
    "translate": "übersetzen",
    "write": "schreiben",
    "complete": "fortsetzen",
    "sentiment": "stimmung",
    "learn": "lernen",
    "opt-out": "abmelden",
    "opt-in": "anmelden",
    "new": "neu",
    "stop": "stopp",
    "quota": "kontingent",
    "settings": "einstellungen",
    "forget-me": "vergiss-mich",
    "help": "hilfe",
    # Options
    "question": "frage",
    "private": "privat",
    "hours": "stunden",
    "since_me": "seit_mir",
    "about": "worüber",
    "language": "sprache",
    "text": "text",
    "form": "art",
    "tone": "ton",
    "length": "länge",
    "max_tokens": "höchstens",
    "temperature": "temperatur",
    "top_p": "top_p",
    "seed": "startwert",
    "days": "tage",
    "file": "datei",
    # Choices
    "email": "E-Mail",
    "announcement": "Ankündigung",
    "ad": "Anzeige",
    "news": "Meldung",
    "reply": "Antwort",
    "short": "kurz",
    "medium": "mittel",
    "long": "lang",
    # Menus and forms
    "Translate": "Übersetzen",
    "Summarize from here": "Ab hier zusammenfassen",
    "Draft a reply": "Antwort entwerfen",
    "Sentiment": "Stimmung",
    "Ask about this": "Dazu fragen",
    "What do you want to know about it?": "Was möchtest du dazu wissen?",
    # Descriptions
    "Answer a question from the documents that I know here": (
        "Beantworte eine Frage aus den Dokumenten, die ich hier kenne"
    ),
    "What you want to know": "Was du wissen möchtest",
    "Whether you alone see the answer": "Ob nur du die Antwort siehst",
    "Sum up this thread, or what was said in this channel lately": (
        "Fasse diesen Thread zusammen oder was in diesem Kanal zuletzt gesagt wurde"
    ),
    "How far back; without it a thread is summed up whole, a channel for a day": (
        "Wie weit zurück; ohne Angabe ein Thread ganz, ein Kanal für einen Tag"
    ),
    "Only what was said since you last wrote here": (
        "Nur, was seit deiner letzten Nachricht hier gesagt wurde"
    ),
    "What interests you most": "Was dich am meisten interessiert",
    "Translate a text": "Übersetze einen Text",
    "Into which language": "In welche Sprache",
    "The text": "Der Text",
    "Write something for you": "Schreibe etwas für dich",
    "What it is to be": "Was es werden soll",
    "What it is about": "Worum es geht",
    "How it is to sound, such as friendly or formal": (
        "Wie es klingen soll, etwa freundlich oder förmlich"
    ),
    "How long": "Wie lang",
    "Go on with a text as the model would, without a conversation": (
        "Setze einen Text fort, wie das Modell es täte, ohne Gespräch"
    ),
    "How it begins": "Wie er beginnt",
    "At most so many tokens more": "Höchstens so viele Tokens mehr",
    "0 is always the likeliest word; above 1 it gets wild": (
        "0 ist immer das wahrscheinlichste Wort; über 1 wird es wild"
    ),
    "Only the likeliest words that make up so much of all chances": (
        "Nur die wahrscheinlichsten Wörter mit diesem Anteil aller Chancen"
    ),
    "The same seed goes on the same way again": (
        "Derselbe Startwert führt wieder zu derselben Fortsetzung"
    ),
    "Draw how this channel has felt lately": "Zeichne die Stimmung dieses Kanals in letzter Zeit",
    "How far back": "Wie weit zurück",
    "Teach me a document that I answer questions from in this channel": (
        "Bring mir ein Dokument bei, aus dem ich in diesem Kanal Fragen beantworte"
    ),
    "Markdown, text, HTML, PDF or Word": "Markdown, Text, HTML, PDF oder Word",
    "Or the text itself": "Oder der Text selbst",
    "Leave your messages out of summaries, ratings and what is learned": (
        "Lass deine Nachrichten aus Zusammenfassungen, Bewertungen und Gelerntem heraus"
    ),
    "Take your messages into summaries, ratings and what is learned": (
        "Nimm deine Nachrichten in Zusammenfassungen, Bewertungen und Gelerntes auf"
    ),
    "Begin this direct message or thread afresh": (
        "Beginne diese Direktnachricht oder diesen Thread von vorn"
    ),
    "Stop the answers that I am writing for you here": (
        "Halte die Antworten an, die ich hier für dich schreibe"
    ),
    "How much you have asked today, and how much is left": (
        "Wie viel du heute gefragt hast und wie viel noch bleibt"
    ),
    "When and how I answer in this channel, or in the whole server": (
        "Wann und wie ich in diesem Kanal oder auf dem ganzen Server antworte"
    ),
    "Delete what I have kept of you": "Lösche, was ich von dir aufbewahrt habe",
    "What I can do here": "Was ich hier kann",
}
"""English words -> German."""
