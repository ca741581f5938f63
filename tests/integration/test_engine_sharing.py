"""Equal beginnings are computed once for a tenant, and again for every other one.

Counted in tokens that the model was given, and in pages that the cache holds; not in time.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chaos.forward_passes import (
    ForwardPasses,
    ids_of,
    load,
    make_engine,
    manager_of,
    wait_until,
    written_alone,
)
from worker.engine.engine import BatchingEngine
from worker.engine.protocol import Request
from worker.engine.tenant_salt import Labels, id_of
from worker.engine.transformers_engine.loader import LoadedModel
from worker.engine.transformers_engine.sizing import PAGE_TOKENS

NUM_PAGES = 3
NUM_REST = 20
TWO = 2
"""Tokens of an answer: the cache does not note pages that a request's last pass completes."""
A, B = "slack:T1", "slack:T2"


@pytest.fixture(scope="module")
def loaded(endless_model: Path) -> LoadedModel:
    return load(endless_model)


@pytest.fixture
def engine(loaded: LoadedModel) -> Iterator[BatchingEngine]:
    engine = make_engine(loaded)
    engine.open()
    yield engine
    engine.close()


def prompt(loaded: LoadedModel) -> tuple[int, ...]:
    """Three whole pages, as a system prompt and a history would fill them, and a rest."""
    length = NUM_PAGES * PAGE_TOKENS + NUM_REST
    return ids_of(loaded, "we had been talking about this and that " * 40)[:length]


def num_prefilled(engine: BatchingEngine, request: Request) -> int:
    """How many tokens the model is given until the first token of the answer."""
    assert request.max_new_tokens == TWO
    with ForwardPasses(engine) as passes:
        "".join(engine.submit(request))
    return passes.num_tokens - 1  # the first token of the answer, for the second


def num_known_pages(engine: BatchingEngine) -> int:
    """How many full pages the cache can find again."""
    processor = manager_of(engine).batch_processor
    assert processor is not None
    allocators = processor.cache.cache_allocators.values()
    return sum(len(allocator.ledger.hash_to_block) for allocator in allocators)


def test_a_prefix_is_shared_within_a_tenant_and_not_with_another(
    loaded: LoadedModel, engine: BatchingEngine
) -> None:
    prompt_ids = prompt(loaded)
    everything = len(prompt_ids)

    first = num_prefilled(engine, Request("a1", prompt_ids, TWO, salt=A))
    pages_of_a = num_known_pages(engine)
    foreign = num_prefilled(engine, Request("b1", prompt_ids, TWO, salt=B))
    pages_of_both = num_known_pages(engine)
    again = num_prefilled(engine, Request("a2", prompt_ids, TWO, salt=A))
    foreign_again = num_prefilled(engine, Request("b2", prompt_ids, TWO, salt=B))

    assert first == everything
    assert foreign == everything, "what A had asked was found in the cache"
    assert (again, foreign_again) == (NUM_REST, NUM_REST)
    assert (pages_of_a, pages_of_both) == (NUM_PAGES, 2 * NUM_PAGES)


def test_an_answer_is_found_again_as_part_of_the_next_prompt(
    loaded: LoadedModel, engine: BatchingEngine
) -> None:
    """Pages that are completed while writing are salted like those of the prompt."""
    begin = prompt(loaded)[:3]  # fewer tokens than the salt has words
    answer = "".join(engine.submit(Request("a1", begin, 190, salt=A)))
    more = (*begin, *ids_of(loaded, answer)[:190])
    middle = (*more, *prompt(loaded)[:100])
    "".join(engine.submit(Request("a2", middle, TWO, salt=A)))
    next_prompt = (*middle, 65)

    own = num_prefilled(engine, Request("a3", next_prompt, TWO, salt=A))
    foreign = num_prefilled(engine, Request("b", next_prompt, TWO, salt=B))

    assert own == len(next_prompt) - PAGE_TOKENS
    assert foreign == len(next_prompt)


def test_the_salt_changes_no_answer(loaded: LoadedModel, engine: BatchingEngine) -> None:
    prompt_ids = prompt(loaded)
    alone = written_alone(loaded, prompt_ids, 30)

    together = [
        engine.submit(Request(f"{salt}{number}", prompt_ids, 30, salt=salt))
        for salt in (A, B, "")
        for number in range(2)
    ]

    assert ["".join(generation) for generation in together] == [alone] * 6


def test_two_tenants_at_once_keep_pages_of_their_own(
    loaded: LoadedModel, engine: BatchingEngine
) -> None:
    """The cache also looks for equal pages when one is full, not only when a prompt comes."""
    prompt_ids = prompt(loaded)
    both = [engine.submit(Request(salt, prompt_ids, TWO, salt=salt)) for salt in (A, B)]
    for generation in both:
        "".join(generation)

    wait_until(lambda: num_known_pages(engine) == 2 * NUM_PAGES, "each has its own pages")


@given(st.text(alphabet=st.characters(codec="utf-8")), st.text(), st.text())
def test_a_label_tells_the_id_and_hides_the_tenant(salt: str, one: str, other: str) -> None:
    labels = Labels()
    first = labels.label(Request(one, (1,), 1, salt=salt))
    second = labels.label(Request(other, (1,), 1, salt=salt))
    stranger = labels.label(Request(one, (1,), 1, salt=f"{salt}x"))
    elsewhere = Labels().label(Request(one, (1,), 1, salt=salt))

    assert (id_of(first), id_of(second), id_of(stranger)) == (one, other, one)
    assert first.removesuffix(one) == second.removesuffix(other)
    assert len({first, stranger, elsewhere}) == 3
