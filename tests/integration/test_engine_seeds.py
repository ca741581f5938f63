"""Texts drawn with a seed: the same each time, alone and among others, on a small real model."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.chaos.forward_passes import ids_of, load
from tests.fakes.tiny_model import save_tiny_model
from worker.engine.engine import BatchingEngine, EngineOptions
from worker.engine.factory import around
from worker.engine.protocol import Request, Sampling
from worker.engine.transformers_engine.loader import LoadedModel
from worker.engine.transformers_engine.seeding import SeededDraw

NEW_TOKENS = 40
ENDLESS = EngineOptions(NEW_TOKENS, 8, 4096)
SEEDED = Sampling(temperature=2.0, top_p=0.95, seed=7)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load(save_tiny_model(Path(tmp_path_factory.mktemp("models") / "endless"), ends=False))


@pytest.fixture(scope="module")
def engine(loaded: LoadedModel) -> Iterator[BatchingEngine]:
    engine = around(loaded, ENDLESS)
    try:
        engine.open()
        yield engine
    finally:
        engine.close()


def test_a_seed_writes_the_same_text_alone_and_among_others(
    loaded: LoadedModel, engine: BatchingEngine
) -> None:
    prompt = ids_of(loaded, "Once upon a time")

    def submit(name: str, sampling: Sampling) -> Iterator[str]:
        return iter(engine.submit(Request(name, prompt, NEW_TOKENS, sampling)))

    alone = "".join(submit("alone", SEEDED))
    others = [submit(f"other-{number}", Sampling(2.0, 0.95)) for number in range(5)]
    again = submit("again", SEEDED)
    another = submit("another", Sampling(2.0, 0.95, seed=8))
    cold = submit("cold", Sampling())

    texts = ["".join(text) for text in (again, another, cold, *others)]
    assert texts[0] == alone
    assert len({alone, *texts[1:]}) == 8  # every other text is another one


def test_draws_follow_the_probabilities() -> None:
    """A chi-squared test of 20,000 draws: 16.3 is the 0.1 % point for 3 degrees of freedom."""
    probabilities = torch.tensor([0.5, 0.3, 0.15, 0.05])
    draw, num_draws = SeededDraw(), 20_000
    scores = probabilities.log().repeat(num_draws, 1)
    numbers = torch.arange(num_draws, dtype=torch.int32) * 104_729 % 2**31

    chosen = draw(scores, numbers.to(torch.int32)).argmax(dim=-1)

    counts = torch.bincount(chosen, minlength=4)
    expected = probabilities * num_draws
    assert ((counts - expected) ** 2 / expected).sum() < 16.3


def test_rows_without_a_seed_are_left_to_the_manager() -> None:
    scores = torch.randn(3, 11, generator=torch.Generator().manual_seed(1))
    numbers = torch.tensor([-1, 5, -1, 0], dtype=torch.int32)

    drawn = SeededDraw()(scores, numbers)

    assert torch.equal(drawn[[0, 2]], scores[[0, 2]])
    assert drawn[1].isinf().sum() == 10
    assert torch.equal(SeededDraw()(scores, torch.full((4,), -1)), scores)


def test_what_cannot_be_drawn_never_is() -> None:
    """Top-p has ruled tokens out before."""
    scores = torch.full((500, 50), float("-inf"))
    scores[:, 17] = -3.0

    drawn = SeededDraw()(scores, torch.arange(500, dtype=torch.int32))

    assert set(drawn.argmax(dim=-1).tolist()) == {17}
