"""Texts drawn with a seed: the same each time, alone and among others, on a small real model."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.forward_passes import ids_of, load
from tests.fakes.tiny_model import save_tiny_model
from worker.engine.engine import BatchingEngine, EngineOptions
from worker.engine.factory import around
from worker.engine.protocol import Request, Sampling
from worker.engine.transformers_engine.loader import LoadedModel

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
