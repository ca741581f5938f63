"""The reference: right answers are right, and whatever a fault makes of one is not."""

from pathlib import Path

import pytest

from tests.chaos.model import Reference, Seen, save_model
from worker.prompts.chat import PromptInput

NUM_LETTERS = 32


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    return Reference(save_model(Path(tmp_path_factory.mktemp("model"))), NUM_LETTERS)


@pytest.fixture(scope="module")
def prompts(reference: Reference) -> list[tuple[int, ...]]:
    return [reference.prompt(PromptInput("Answer.", (), f"q{k:06d} why")) for k in range(8)]


@pytest.fixture(scope="module")
def whole(reference: Reference, prompts: list[tuple[int, ...]]) -> list[str]:
    return reference.expect([Seen(prompt, "") for prompt in prompts])


def test_questions_that_differ_in_a_digit_have_different_answers(whole: list[str]) -> None:
    assert len(set(whole)) == len(whole)
    assert {len(answer) for answer in whole} == {NUM_LETTERS}


def test_right_answers_are_expected_as_they_are(
    reference: Reference, prompts: list[tuple[int, ...]], whole: list[str]
) -> None:
    seen = [Seen(prompt, answer) for prompt, answer in zip(prompts, whole, strict=True)]

    assert reference.expect(seen) == whole


@pytest.mark.parametrize(
    "spoil",
    [
        lambda answer: answer[:10],  # cut
        lambda answer: answer[:10] + answer[:22],  # begun anew behind its beginning
        lambda answer: answer[:10] + answer[11:],  # a letter is missing
        lambda answer: answer + "x",  # too long
        lambda answer: answer[::-1],
    ],
)
def test_spoilt_answer_is_not_what_is_expected(
    reference: Reference,
    prompts: list[tuple[int, ...]],
    whole: list[str],
    spoil: object,
) -> None:
    assert callable(spoil)
    seen = [Seen(prompt, spoil(answer)) for prompt, answer in zip(prompts, whole, strict=True)]

    assert reference.expect(seen) == whole


def test_answer_to_another_question_is_not_what_is_expected(
    reference: Reference, prompts: list[tuple[int, ...]], whole: list[str]
) -> None:
    assert reference.expect([Seen(prompts[0], whole[1])]) == [whole[0]]
