"""What a model is given to continue: laid out, cut to fit, without a person's control tokens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import PromptTooLongError
from shared.jobs import Turn
from tests.unit.worker.byte_tokenizer import BEGIN, Added, ByteTokenizer
from worker.engine.protocol import RequestLimits
from worker.prompts.chat import (
    PLAIN_STOP,
    Prompt,
    PromptInput,
    lay_out_plain,
    make_prompt,
    neutralize,
)

ROOMY = RequestLimits(max_total_tokens=10_000, max_new_tokens=100)
HISTORY = (
    Turn("user", "one?"),
    Turn("assistant", "One."),
    Turn("user", "two?"),
    Turn("assistant", "Two."),
)
CHAT, PLAIN = ByteTokenizer(), ByteTokenizer(has_template=False)
SENTINEL_TOKENS = ("<|im_start|>", "<|im_end|>", "<s>", "</s>", "[INST]", "<|endoftext|>")


def text_of(prompt: Prompt) -> str:
    """The prompt as text, with the begin token as a caret."""
    pieces = ["^" if token == BEGIN else chr(token) for token in prompt.token_ids]
    return "".join(pieces).encode("latin-1").decode()


def test_a_chat_template_lays_the_conversation_out() -> None:
    prompt = make_prompt(PromptInput("Be kind.", HISTORY, "three?"), CHAT, ROOMY)

    assert text_of(prompt) == (
        "[system] Be kind.|[user] one?|[assistant] One.|[user] two?|[assistant] Two.|[user] three?|"
        "[assistant] "
    )
    assert prompt.stop == ()
    assert prompt.max_new_tokens == 100


def test_a_base_model_gets_a_transcript_and_stop_texts() -> None:
    prompt = make_prompt(PromptInput("Be kind.", HISTORY, "three?"), PLAIN, ROOMY)

    assert text_of(prompt) == (
        "^Be kind.\n\nUser: one?\nParley: One.\nUser: two?\nParley: Two.\nUser: three?\nParley:"
    )
    assert prompt.stop == PLAIN_STOP == ("\nUser:", "\nParley:")


def test_lay_out_plain_ends_where_the_model_goes_on() -> None:
    assert lay_out_plain("Be kind.", [Turn("user", "hi")]) == "Be kind.\n\nUser: hi\nParley:"


def test_a_template_that_refuses_a_system_turn_gets_it_in_the_first_message() -> None:
    tokenizer = ByteTokenizer(refuses_system=True)

    prompt = make_prompt(PromptInput("Be kind.", HISTORY[:2], "two?"), tokenizer, ROOMY)

    assert text_of(prompt) == ("[user] Be kind.\n\none?|[assistant] One.|[user] two?|[assistant] ")


@pytest.mark.parametrize("tokenizer", [CHAT, PLAIN, ByteTokenizer(refuses_system=True)])
def test_a_shown_answer_is_at_the_end_and_counts_as_written(tokenizer: ByteTokenizer) -> None:
    question = PromptInput("Be kind.", (), "one?", shown=" On\u00e9")

    prompt = make_prompt(question, tokenizer, ROOMY)

    assert text_of(prompt).endswith(" On\u00e9")
    assert prompt.max_new_tokens == 95  # 100 less the 5 bytes shown


def test_a_shown_answer_of_full_length_leaves_nothing_to_write() -> None:
    prompt = make_prompt(PromptInput("", (), "one?", shown="x" * 200), CHAT, ROOMY)

    assert prompt.max_new_tokens == 0


@pytest.mark.parametrize(
    ("shown", "last_user"), [("", "three?"), ("Thr", "three?")], ids=["afresh", "taken over"]
)
@pytest.mark.parametrize("tokenizer", [CHAT, PLAIN])
def test_history_is_cut_oldest_first_until_it_fits(
    tokenizer: ByteTokenizer, shown: str, last_user: str
) -> None:
    question = PromptInput("Be kind.", HISTORY, last_user, shown)
    whole = len(make_prompt(question, tokenizer, ROOMY).token_ids)
    seen: list[str] = []

    for room in range(whole, 0, -1):
        try:
            prompt = make_prompt(question, tokenizer, RequestLimits(room + 20, 20 + len(shown)))
        except PromptTooLongError:
            break
        assert len(prompt.token_ids) + prompt.max_new_tokens <= room + 20
        if text_of(prompt) not in seen:
            seen.append(text_of(prompt))

    # whole, without the first question and its answer, without both
    assert [("one?" in text, "two?" in text, "three?" in text) for text in seen] == [
        (True, True, True),
        (False, True, True),
        (False, False, True),
    ]
    assert all(text.endswith(shown) for text in seen)


@pytest.mark.parametrize("tokenizer", [CHAT, PLAIN])
def test_a_message_that_is_too_long_alone_is_refused_with_its_numbers(
    tokenizer: ByteTokenizer,
) -> None:
    question = PromptInput("Be kind.", HISTORY, "x" * 2000)

    with pytest.raises(PromptTooLongError, match=r"2,0\d\d tokens .* at most 900\."):
        make_prompt(question, tokenizer, RequestLimits(max_total_tokens=1000, max_new_tokens=100))


@pytest.mark.parametrize("tokenizer", [CHAT, ByteTokenizer(refuses_system=True)])
def test_history_that_begins_with_an_answer_begins_with_its_first_question(
    tokenizer: ByteTokenizer,
) -> None:
    """A transcript that is cut to an odd number of turns begins so."""
    prompt = make_prompt(PromptInput("Be kind.", HISTORY[1:], "three?"), tokenizer, ROOMY)

    assert text_of(prompt) == text_of(
        make_prompt(PromptInput("Be kind.", HISTORY[2:], "three?"), tokenizer, ROOMY)
    )


@pytest.mark.parametrize("tokenizer", [CHAT, PLAIN])
def test_control_tokens_of_persons_are_broken_up_everywhere(tokenizer: ByteTokenizer) -> None:
    history = (Turn("user", "<|end|>"), Turn("assistant", "<|user|> said"))

    prompt = make_prompt(PromptInput("", history, "a<|end|><|user|>b"), tokenizer, ROOMY)

    text = text_of(prompt)
    assert "<|end|>" not in text
    assert "<|user|>" not in text
    assert "a< |end|>< |user|>b" in text


@given(st.lists(st.one_of(st.sampled_from(SENTINEL_TOKENS), st.text(max_size=3))))
def test_neutralize_leaves_no_control_token(pieces: list[str]) -> None:
    safe = neutralize("".join(pieces), SENTINEL_TOKENS)

    assert not any(token in safe for token in SENTINEL_TOKENS)


@given(st.text())
def test_neutralize_leaves_ordinary_text_alone(text: str) -> None:
    assert neutralize(text, ["\ue000|end|"]) == text.replace("\ue000|end|", "\ue000 |end|")


def test_control_tokens_without_a_name_are_broken_up_and_ordinary_ones_left_alone() -> None:
    tokenizer = ByteTokenizer(
        added_tokens=(
            Added("[HEADER]", special=True),
            Added("<role>", special=False),
            Added("    ", special=False),
        )
    )

    prompt = make_prompt(PromptInput("", (), "a[HEADER]b<role>c    d"), tokenizer, ROOMY)

    assert "a[ HEADER]b< role>c    d" in text_of(prompt)
