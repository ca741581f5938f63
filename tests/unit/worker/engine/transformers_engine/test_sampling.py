"""The choice of tokens, beside transformers' own logits processors on the same logits."""

import itertools
from typing import Any

import pytest
import torch
from transformers import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from worker.engine.protocol import GREEDY, Sampling
from worker.engine.transformers_engine.sampling import (
    chosen,
    filtered,
    packed,
    penalized,
    unpacked,
)

VOCABULARY = 97


def logits(num_rows: int, seed: int = 1) -> torch.Tensor:
    """(num_rows, ``VOCABULARY``), float32."""
    return 3 * torch.randn(num_rows, VOCABULARY, generator=torch.Generator().manual_seed(seed))


def theirs(scores: torch.Tensor, sampling: Sampling) -> torch.Tensor:
    """The scores that ``generate`` would draw from."""
    processors: Any = LogitsProcessorList([TemperatureLogitsWarper(sampling.temperature or 0.0)])
    if sampling.top_k:
        processors.append(TopKLogitsWarper(sampling.top_k))
    if sampling.top_p is not None and sampling.top_p < 1:
        processors.append(TopPLogitsWarper(sampling.top_p))
    if sampling.min_p:
        processors.append(MinPLogitsWarper(sampling.min_p))
    processed: torch.Tensor = processors(torch.zeros(len(scores), 1, dtype=torch.int64), scores)
    return processed


GRID = [
    Sampling(temperature, top_p, top_k, min_p)
    for temperature, top_p, top_k, min_p in itertools.product(
        (0.3, 1.0, 1.7), (None, 0.5, 0.9, 0.95, 1.0), (0, 1, 20, 500), (0.0, 0.05, 0.4)
    )
]


def test_filters_are_those_of_generate_for_each_row_by_itself() -> None:
    scores = logits(len(GRID))

    ours = filtered(scores, unpacked(packed(GRID, [0] * len(GRID)), len(GRID)))

    for row, sampling in enumerate(GRID):
        expected = theirs(scores[row : row + 1], sampling)[0]
        assert torch.equal(ours[row].isinf(), expected.isinf()), sampling
        assert torch.allclose(ours[row].softmax(-1), expected.softmax(-1), atol=1e-6), sampling


@pytest.mark.parametrize("penalty", [0.8, 1.0, 1.1, 2.0])
def test_a_repetition_penalty_is_that_of_generate(penalty: float) -> None:
    scores = logits(2)
    tokens = torch.tensor([[1, 5, 5, 9], [0, 2, 2, 96]])
    seen = torch.zeros(2, VOCABULARY, dtype=torch.bool).scatter(1, tokens, value=True)

    ours = penalized(scores, seen, torch.full((2, 1), penalty))

    expected = RepetitionPenaltyLogitsProcessor(penalty)(tokens, scores)
    assert torch.allclose(ours, expected)


@pytest.mark.parametrize("num_equal", [2, 7, VOCABULARY])
@pytest.mark.parametrize("first", [0, 3, 40])
def test_of_equal_scores_the_first_is_taken(num_equal: int, first: int) -> None:
    """bfloat16 has 8 bits: two tokens of a large vocabulary are often exactly equal."""
    scores = torch.full((3, VOCABULARY), -2.0)
    last = min(VOCABULARY, first + num_equal)
    scores[:, first:last] = 1.5
    beside = Sampling(1.0, seed=4)  # a row that samples, so that no short cut is taken

    for samplings in ([GREEDY] * 3, [GREEDY, beside, GREEDY]):
        tokens = chosen(scores, unpacked(packed(samplings, [0] * 3), 3)).argmax(dim=-1)
        assert tokens[0] == tokens[2] == first == scores[0].argmax()


@pytest.mark.parametrize(
    "sampling",
    [Sampling(1.0), Sampling(0.7, 0.8, 20), Sampling(1.5, min_p=0.1), Sampling(0.6, 0.95, 3)],
)
@pytest.mark.parametrize("is_seeded", [True, False])
def test_draws_follow_the_probabilities_of_generate(sampling: Sampling, *, is_seeded: bool) -> None:
    """A chi-squared test of 20,000 draws; its 0.1 % point by Wilson and Hilferty (1931)."""
    num_draws = 20_000
    scores = logits(1)[:, :12]
    expected = theirs(scores, sampling).softmax(-1)[0] * num_draws
    many = [
        Sampling(
            sampling.temperature,
            sampling.top_p,
            sampling.top_k,
            sampling.min_p,
            seed=number if is_seeded else None,
        )
        for number in range(num_draws)
    ]

    rows = unpacked(packed(many, [0] * num_draws), num_draws)
    drawn = chosen(scores.repeat(num_draws, 1), rows).argmax(dim=-1)

    counts = torch.bincount(drawn, minlength=12).to(torch.float64)
    possible = expected > 0
    assert counts[~possible].sum() == 0
    degrees = int(possible.sum()) - 1
    limit = degrees * (1 - 2 / (9 * degrees) + 3.3 * (2 / (9 * degrees)) ** 0.5) ** 3
    statistic = ((counts - expected)[possible] ** 2 / expected[possible]).sum()
    assert statistic < limit


def test_a_seed_draws_the_same_whatever_is_beside_it() -> None:
    scores = logits(4)
    seeded = Sampling(1.3, 0.95, seed=7)

    def draw(samplings: list[Sampling], at: int) -> list[int]:
        num_rows = len(samplings)
        same = scores[:1].repeat(num_rows, 1)
        rows = (unpacked(packed(samplings, [step] * num_rows), num_rows) for step in range(40))
        return [int(chosen(same, row)[at].argmax()) for row in rows]

    alone = draw([seeded], 0)
    assert draw([Sampling(2.0), GREEDY, seeded, Sampling(0.5, top_k=2)], 2) == alone
    assert draw([Sampling(1.3, 0.95, seed=8)], 0) != alone


def test_what_is_left_out_has_no_effect() -> None:
    scores = logits(2)

    rows = unpacked(packed([Sampling(1.0), Sampling(None)], [0, 0]), 2)

    assert torch.equal(filtered(scores, rows), scores)
    assert rows.temperature.flatten().tolist() == [1.0, 0.0]
    assert rows.penalty.flatten().tolist() == [1.0, 1.0]
