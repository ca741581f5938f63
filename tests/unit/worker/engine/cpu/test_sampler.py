"""Tokens are drawn as their probabilities say, and a seed draws the same whoever else is there."""

from collections import Counter

import torch

from worker.engine.cpu.sampler import SamplingChoice, choose

NUM_WORDS = 200


def logits(*likely: tuple[int, float]) -> torch.Tensor:
    """A row in which all but these words are all but impossible."""
    row = torch.full((NUM_WORDS,), -30.0)
    for word, probability in likely:
        row[word] = torch.tensor(probability).log()
    return row


def test_the_likeliest_is_taken_without_a_temperature() -> None:
    rows = torch.stack([logits((3, 0.6), (4, 0.4)), logits((9, 0.6), (1, 0.4))])

    assert choose(rows, [SamplingChoice(0.0, 1.0), SamplingChoice(1e-7, 0.5)]) == [3, 9]


def test_words_are_drawn_as_often_as_they_are_likely() -> None:
    row = logits((3, 0.7), (4, 0.3))
    seeds = [SamplingChoice(1.0, 1.0, seed) for seed in range(2000)]

    counted = Counter(choose(row.expand(2000, -1), seeds))

    assert 1300 < counted[3] < 1500
    assert counted[3] + counted[4] == 2000


def test_no_word_beyond_top_p_is_drawn() -> None:
    row = logits((3, 0.5), (4, 0.3), (5, 0.2))
    seeds = [SamplingChoice(1.0, 0.6, seed) for seed in range(500)]

    assert set(choose(row.expand(500, -1), seeds)) == {3, 4}


def test_a_flat_row_is_drawn_from_as_a_whole() -> None:
    """The likeliest 64 of 200 equal words hold too little for top-p."""
    seeds = [SamplingChoice(1.0, 1.0, seed) for seed in range(3000)]

    assert len(set(choose(torch.zeros(3000, NUM_WORDS), seeds))) == NUM_WORDS


def test_a_seed_draws_the_same_alone_and_among_others() -> None:
    row = torch.randn(NUM_WORDS, generator=torch.Generator().manual_seed(1))
    alone, among = SamplingChoice(1.0, 0.95, 7), SamplingChoice(1.0, 0.95, 7)
    noise = torch.randn(3, NUM_WORDS)
    others = [SamplingChoice(0.7, 0.9), SamplingChoice(0.0, 1.0), SamplingChoice(1.5, 1.0, 8)]

    first = [choose(row.unsqueeze(0), [alone])[0] for _ in range(20)]
    second = [choose(torch.vstack([noise, row]), [*others, among])[3] for _ in range(20)]

    assert first == second
    assert len(set(first)) > 5
    assert choose(row.unsqueeze(0), [SamplingChoice(1.0, 0.95, 7, step=11)]) == [first[11]]
