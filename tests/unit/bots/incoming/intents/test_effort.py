"""Requests to think hard, or not at all: clear ones in four languages, and nothing else."""

import pytest

from bots.incoming.intents.effort import effort_of
from shared.jobs import Effort

HARD = [
    "think hard: why is the sky blue?",
    "Think hard. Why is the sky blue?",
    "Why is the sky blue? Think hard.",
    "Why is the sky blue, think hard about it",
    "Why is the sky blue (think hard)?",
    "Why is the sky blue - think really hard",
    "Please think carefully before you answer: is 221 a prime?",
    "is 221 a prime? please think longer",
    "Think step by step before you answer.\n\nIs 221 a prime?",
    "Let's think step by step. Is 221 a prime?",
    "Can you think hard about whether we should move to Kubernetes?",
    "Could you please think very carefully about this one?",
    "I want you to think long and hard about our pricing.",
    "I'd like you to think this through carefully. What is wrong with the plan?",
    "think hard and tell me why the build fails",
    "Okay, think harder this time",
    "Take your time to think about it. What would you do?",
    "Think it through before answering, please.",
    "Think about it before you answer: is it 7?",
    "Give this a lot of thought: which of the two is cheaper?",
    "ultrathink: find the bug in this",
    "Find the bug in this. Ultrathink!",
    "use maximum reasoning effort: is 221 a prime?",
    "THINK HARD! What is 17 * 23?",
    "**Think hard**: what is 17 * 23?",
    "Denk gut nach: warum ist der Himmel blau?",
    "Warum ist der Himmel blau? Denk bitte gründlich darüber nach.",
    "Denke Schritt für Schritt. Ist 221 eine Primzahl?",
    "Denk erst nach, bevor du antwortest: ist 221 prim?",
    "Ist 221 eine Primzahl? Überleg dir das bitte genau.",
    "Bitte gründlich nachdenken: was fehlt im Vertrag?",
    "Denken Sie bitte sorgfältig darüber nach. Was fehlt?",
    "Réfléchis bien : pourquoi le ciel est-il bleu ?",
    "Pourquoi le ciel est-il bleu ? Réfléchissez-y bien avant de répondre.",
    "Peux-tu bien réfléchir à cette question ?",
    "Prends le temps de bien réfléchir. 221 est-il premier ?",
    "Raisonne étape par étape : 221 est-il premier ?",
    "Piénsalo bien: ¿por qué es azul el cielo?",
    "¿Por qué es azul el cielo? Piensa detenidamente antes de responder.",
    "Por favor, piensa paso a paso. ¿Es primo 221?",
    "Tómate tu tiempo para pensar. ¿Es primo 221?",
]
OFF = [
    "Don't think, what is 2 + 2?",
    "don\u2019t think: what is 2 + 2?",
    "What is 2 + 2? Please don't think too hard about it.",
    "Do not overthink it. Tea or coffee?",
    "No need to think: what is 2 + 2?",
    "Answer without thinking: what is 2 + 2?",
    "Without thinking: what is 2 + 2?",
    "What is 2 + 2, without thinking?",
    "What is the capital of Peru, off the top of your head?",
    "Quick answer: what is 2 + 2?",
    "What is 2 + 2? Quick answer please",
    "Just a quick answer, please: what is 2 + 2?",
    "No thinking needed. Which day is it?",
    "Answer right away: tea or coffee?",
    "Denk nicht lange nach: Tee oder Kaffee?",
    "Antworte bitte ohne nachzudenken: Tee oder Kaffee?",
    "Ohne langes Nachdenken: Tee oder Kaffee?",
    "Tee oder Kaffee? Schnelle Antwort bitte.",
    "Ne réfléchis pas trop : thé ou café ?",
    "Réponds sans réfléchir : thé ou café ?",
    "Thé ou café ? Réponse rapide, stp",
    "No lo pienses mucho: ¿té o café?",
    "Responde sin pensar: ¿té o café?",
    "¿Té o café? Respuesta rápida, por favor.",
]
NEITHER = [
    "",
    "Hello!",
    "I think hardly anybody reads this.",
    "I think, hard as it is, we should go.",
    "They think hard about it.",
    "He made me think hard about my career.",
    "If you think hard about it, it makes sense.",
    "Think hard and you will succeed, is that true?",
    "think hard drives are reliable?",
    "Think harder problems are better for learning?",
    "What does “think hard” mean?",
    '"Think hard" was the slogan of which company?',
    "My boss said, think hard about it.",
    "My boss told me: think carefully before you answer.",
    "Think hard, she said.",
    "How do I make my team think step by step?",
    "Why do people think longer about losses than about gains?",
    "What do you think?",
    "Think of a number.",
    "Do you think before you speak?",
    "Think carefully before you buy a house: is that good advice?",
    "> Please think hard.\nWhat did they mean by this?",
    "```\nThink hard.\n```\nWhat does this prompt do?",
    "Here is a letter. It begins well. Please think carefully. It goes on. It ends. Is it good?",
    "I don't think so.",
    "I don't think.",
    "Don't think so",
    "Don't think about elephants is a famous example of what?",
    "You don't think it is too long?",
    "He jumped without thinking.",
    "Without thinking, he jumped. Why?",
    "Why did she act without thinking?",
    "Is there a quick answer to this?",
    "Quick question: what is 2 + 2?",
    "A thoughtful answer takes long.",
    "Ich denke gut darüber nach.",
    "Ich denke nicht.",
    "Sie handelte, ohne nachzudenken.",
    "Was denkst du über lange Sätze?",
    "Je réfléchis bien avant de répondre.",
    "Il a agi sans réfléchir.",
    "Pense à moi.",
    "Ella piensa mucho en ti.",
    "Piensa mucho en ella, ¿verdad?",
    "No pienses en elefantes: ¿de quién es el ejemplo?",
    "Actuó sin pensar.",
]
CASES = [
    *((text, Effort.HARD) for text in HARD),
    *((text, Effort.OFF) for text in OFF),
    *((text, None) for text in NEITHER),
]


@pytest.mark.parametrize(("text", "effort"), CASES, ids=[text for text, _ in CASES])
def test_a_message_asks_for_as_much_thinking_as_it_clearly_says(
    text: str, effort: Effort | None
) -> None:
    assert effort_of(text) is effort


def test_a_request_at_either_end_of_a_long_message_is_found() -> None:
    letter = "This is a sentence of a letter that I was sent. " * 2_000

    assert effort_of(f"Think hard: is this any good?\n{letter}") is Effort.HARD
    assert effort_of(f"{letter}\nQuick answer: is this any good?") is Effort.OFF
    assert effort_of(letter) is None


@pytest.mark.parametrize("text", ["please " * 20_000, "think " * 20_000, "and then" * 20_000])
def test_an_odd_message_asks_for_nothing(text: str) -> None:
    assert effort_of(text) is None
