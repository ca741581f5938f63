"""The training of the sentiment adapter, and of the plain logistic head as its baseline.

Works on tensors and numbers only; the caller knows the texts and their sources.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from worker.engine.encoders.common import batches_by_length
from worker.engine.encoders.lora import AdaptedEncoder
from worker.engine.encoders.tensors import mean_pooled, padded

LEARNING_RATE = 1e-3
HEAD_FASTER = 2.0
WEIGHT_DECAY = 0.01
WARM_UP = 0.06
MAX_NORM = 1.0
CLASS_SHARE = 0.5
"""The weight of the classes' loss beside that of the score: it sharpens the boundaries."""
POOL_BATCHES = 40
"""The number of batches drawn at random together and then sorted by length."""
MAX_ITERATIONS = 300
BATCH_TOKENS = 2048


@dataclass(frozen=True, slots=True)
class TrainingExample:
    """A text as numbers, with people's ratings."""

    token_ids: tuple[int, ...]
    cues: tuple[float, ...]
    score: float
    class_number: int
    weight: float
    """Its weight in the loss."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """The training schedule."""

    num_epochs: int = 5
    batch_size: int = 48
    seed: int = 1


def train(
    model: AdaptedEncoder,
    examples: Sequence[TrainingExample],
    recipe: Recipe,
    pad_id: int,
    progress: Callable[[int, float], None],
) -> None:
    """Train in place, in bfloat16 where the processor has it.

    Args:
        model: untrained, seeded by the caller.
        examples: the training set.
        recipe: the schedule.
        pad_id: the tokenizer's.
        progress: called after each epoch with its number from 1 on, and the mean loss.
    """
    generator = torch.Generator().manual_seed(recipe.seed)
    optimizer = _optimizer(model)
    num_steps = recipe.num_epochs * math.ceil(len(examples) / recipe.batch_size)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _pace(step, num_steps))
    model.train()
    with torch.enable_grad(), torch.random.fork_rng():
        torch.manual_seed(recipe.seed)  # for the dropout
        for epoch in range(1, recipe.num_epochs + 1):
            losses = []
            for batch in _shuffled(examples, recipe.batch_size, generator):
                loss = _loss(model, batch, pad_id)
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]  # torch gives it no types
                nn.utils.clip_grad_norm_(model.trained_parameters(), MAX_NORM)
                optimizer.step()
                schedule.step()
                losses.append(loss.item())
            progress(epoch, sum(losses) / len(losses))
    model.eval()


def _optimizer(model: AdaptedEncoder) -> torch.optim.Optimizer:
    head = [*model.hidden.parameters(), *model.output.parameters()]
    known = {id(parameter) for parameter in head}
    adapter = [p for p in model.trained_parameters() if id(p) not in known]
    groups = [
        {"params": adapter, "lr": LEARNING_RATE},
        {"params": head, "lr": LEARNING_RATE * HEAD_FASTER},
    ]
    return torch.optim.AdamW(groups, weight_decay=WEIGHT_DECAY)


def _pace(step: int, num_steps: int) -> float:
    """The factor of the learning rate: linear warm-up, then half a cosine."""
    warm = (step + 1) / (WARM_UP * num_steps)
    return min(1.0, warm) * 0.5 * (1 + math.cos(math.pi * min(1.0, step / num_steps)))


def _shuffled(
    examples: Sequence[TrainingExample], batch_size: int, generator: torch.Generator
) -> list[list[TrainingExample]]:
    """All examples in batches of similar length, in random order."""
    order = torch.randperm(len(examples), generator=generator).tolist()
    batches: list[list[TrainingExample]] = []
    pool_size = batch_size * POOL_BATCHES
    for start in range(0, len(order), pool_size):
        pool = [examples[i] for i in order[start : start + pool_size]]
        pool.sort(key=lambda example: len(example.token_ids))
        batches += [pool[i : i + batch_size] for i in range(0, len(pool), batch_size)]
    return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]


def _loss(model: AdaptedEncoder, batch: Sequence[TrainingExample], pad_id: int) -> torch.Tensor:
    device = torch.device("cpu")
    ids, mask = padded([example.token_ids for example in batch], pad_id, device)
    cues = torch.tensor([example.cues for example in batch])
    scores = torch.tensor([example.score for example in batch])
    classes = torch.tensor([example.class_number for example in batch])
    weights = torch.tensor([example.weight for example in batch])
    is_fast = torch.cpu._is_avx512_bf16_supported()  # noqa: SLF001 - no other way
    with torch.autocast("cpu", torch.bfloat16, enabled=is_fast):
        rated = model(ids, mask, cues).float()  # (batch, 1 + classes)
    of_score = nn.functional.smooth_l1_loss(rated[:, 0], scores, reduction="none")
    of_class = nn.functional.cross_entropy(rated[:, 1:], classes, reduction="none")
    return (weights * (of_score + CLASS_SHARE * of_class)).mean()


def sentence_vectors(
    model: Any,  # noqa: ANN401 - any encoder of transformers
    token_ids: Sequence[Sequence[int]],
    pad_id: int,
) -> torch.Tensor:
    """The mean-pooled states of an unchanged encoder: (texts, width), float32, of length 1."""
    vectors = torch.empty(len(token_ids), int(model.config.hidden_size))
    with torch.inference_mode():
        for batch in batches_by_length([len(ids) for ids in token_ids], BATCH_TOKENS):
            ids, mask = padded([token_ids[i] for i in batch], pad_id, model.device)
            states = model(input_ids=ids, attention_mask=mask).last_hidden_state
            pooled = mean_pooled(states, mask).cpu()  # (batch, width)
            vectors[batch] = nn.functional.normalize(pooled, dim=1)
    return vectors.clone()


@dataclass(frozen=True, slots=True)
class LogisticHead:
    """A multinomial logistic regression."""

    weight: torch.Tensor
    """(classes, width)."""
    bias: torch.Tensor
    """(classes,)."""

    def classes(self, vectors: torch.Tensor) -> list[int]:
        """The most likely class of each vector."""
        logits = nn.functional.linear(vectors, self.weight, self.bias)  # (texts, classes)
        found: list[int] = logits.argmax(dim=1).tolist()
        return found


def fit_logistic(
    vectors: torch.Tensor, classes: Sequence[int], num_classes: int, strength: float
) -> LogisticHead:
    """Fit a logistic regression to its optimum, by L-BFGS.

    Args:
        vectors: (texts, width), float32.
        classes: from 0 on.
        num_classes: how many there are.
        strength: of the regularisation, scikit-learn's C: 1 is its default.
    """
    weight = torch.zeros(num_classes, vectors.shape[1], requires_grad=True)
    bias = torch.zeros(num_classes, requires_grad=True)
    truth = torch.tensor(classes)
    optimizer = torch.optim.LBFGS(
        [weight, bias], max_iter=MAX_ITERATIONS, line_search_fn="strong_wolfe"
    )

    def objective() -> torch.Tensor:
        optimizer.zero_grad()
        logits = nn.functional.linear(vectors, weight, bias)
        loss = nn.functional.cross_entropy(logits, truth)
        loss = loss + (weight**2).sum() / (2 * strength * len(classes))
        loss.backward()  # type: ignore[no-untyped-call]  # torch gives it no types
        return loss

    with torch.enable_grad():
        optimizer.step(objective)  # type: ignore[no-untyped-call]  # torch gives it no types
    return LogisticHead(weight.detach(), bias.detach())
