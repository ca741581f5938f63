"""Spanish texts of commands, options, menus and forms, for Spain and Latin America alike."""

SPANISH = {
    # Commands
    "ask": "preguntar",
    "summarize": "resumir",
    "translate": "traducir",
    "write": "escribir",
    "complete": "continuar",
    "sentiment": "ambiente",
    "learn": "aprender",
    "opt-out": "retirarse",
    "opt-in": "participar",
    "new": "nuevo",
    "stop": "parar",
    "quota": "cuota",
    "settings": "ajustes",
    "forget-me": "olvídame",
    "help": "ayuda",
    # Options
    "question": "pregunta",
    "private": "privado",
    "hours": "horas",
    "since_me": "desde_mí",
    "about": "tema",
    "language": "idioma",
    "text": "texto",
    "form": "tipo",
    "tone": "tono",
    "length": "longitud",
    "max_tokens": "máximo",
    "temperature": "temperatura",
    "top_p": "top_p",
    "seed": "semilla",
    "days": "días",
    "file": "archivo",
    # Choices
    "email": "correo",
    "announcement": "anuncio",
    "ad": "publicidad",
    "news": "noticia",
    "reply": "respuesta",
    "short": "corto",
    "medium": "medio",
    "long": "largo",
    # Menus and forms
    "Translate": "Traducir",
    "Summarize from here": "Resumir desde aquí",
    "Draft a reply": "Preparar una respuesta",
    "Sentiment": "Ambiente",
    "Ask about this": "Preguntar sobre esto",
    "What do you want to know about it?": "¿Qué quieres saber?",
    # Descriptions
    "Answer a question from the documents that I know here": (
        "Responder a una pregunta según los documentos que conozco aquí"
    ),
    "What you want to know": "Lo que quieres saber",
    "Whether you alone see the answer": "Si solo tú ves la respuesta",
    "Sum up this thread, or what was said in this channel lately": (
        "Resumir este hilo, o lo que se ha dicho hace poco en este canal"
    ),
    "How far back; without it a thread is summed up whole, a channel for a day": (
        "Hasta cuándo atrás; si no, un hilo entero o un día de un canal"
    ),
    "Only what was said since you last wrote here": (
        "Solo lo que se ha dicho desde tu último mensaje aquí"
    ),
    "What interests you most": "Lo que más te interesa",
    "Translate a text": "Traducir un texto",
    "Into which language": "A qué idioma",
    "The text": "El texto",
    "Write something for you": "Escribir algo para ti",
    "What it is to be": "Qué debe ser",
    "What it is about": "De qué trata",
    "How it is to sound, such as friendly or formal": (
        "Cómo debe sonar, por ejemplo amistoso o formal"
    ),
    "How long": "Qué longitud",
    "Go on with a text as the model would, without a conversation": (
        "Continuar un texto como lo haría el modelo, sin conversación"
    ),
    "How it begins": "Cómo empieza",
    "At most so many tokens more": "Como máximo tantos tokens más",
    "0 is always the likeliest word; above 1 it gets wild": (
        "0 es siempre la palabra más probable; por encima de 1 se desboca"
    ),
    "Only the likeliest words that make up so much of all chances": (
        "Solo las palabras más probables que suman esta parte de las opciones"
    ),
    "The same seed goes on the same way again": (
        "La misma semilla da de nuevo la misma continuación"
    ),
    "Draw how this channel has felt lately": "Dibujar el ambiente reciente de este canal",
    "How far back": "Hasta cuándo atrás",
    "Teach me a document that I answer questions from in this channel": (
        "Enseñarme un documento con el que respondo preguntas en este canal"
    ),
    "Markdown, text, HTML, PDF or Word": "Markdown, texto, HTML, PDF o Word",
    "Or the text itself": "O el texto mismo",
    "Leave your messages out of summaries, ratings and what is learned": (
        "Dejar tus mensajes fuera de resúmenes, valoraciones y lo aprendido"
    ),
    "Take your messages into summaries, ratings and what is learned": (
        "Volver a incluir tus mensajes en resúmenes, valoraciones y lo aprendido"
    ),
    "Begin this direct message or thread afresh": (
        "Empezar de nuevo este mensaje directo o este hilo"
    ),
    "Stop the answers that I am writing for you here": (
        "Parar las respuestas que escribo para ti aquí"
    ),
    "How much you have asked today, and how much is left": (
        "Cuánto has preguntado hoy y cuánto te queda"
    ),
    "When and how I answer in this channel, or in the whole server": (
        "Cuándo y cómo respondo en este canal o en todo el servidor"
    ),
    "Delete what I have kept of you": "Borrar lo que he guardado de ti",
    "What I can do here": "Lo que sé hacer aquí",
}
"""English words -> Spanish."""
