"""``parley eval families``: which model families run here, and whether they write the right tokens.

For each family a small random model of the real architecture is saved and started as a worker would
start it. Eight answers are written at once and compared with what ``generate`` writes alone. A
family that cannot run must be refused in one sentence before that.
"""

import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from PIL import Image

from shared.errors import EngineError, ModelUnavailableError
from worker.engine.engine import BatchingEngine, EngineOptions
from worker.engine.factory import TRANSFORMERS, OwnEngine, build
from worker.engine.pictures import as_png_url
from worker.engine.probe import open_proven
from worker.engine.protocol import GREEDY, ModelChoice, Request
from worker.engine.transformers_engine.baseline import written_alone
from worker.engine.transformers_engine.family_models import FAMILIES, Family, save_model
from worker.engine.transformers_engine.loader import load_model
from worker.engine.transformers_engine.simple_batch import SimpleBatches
from worker.engine.transformers_engine.vision_models import (
    VISION_FAMILIES,
    VisionFamily,
    save_vision_model,
)
from worker.evaluation.report import Evaluation, ReportTable
from worker.prompts.chat import Prompt, PromptInput, make_prompt

AT_ONCE = 8
NEW_TOKENS = 24
CACHE_TOKENS = 8192
MANAGER, SIMPLE, REFUSED = "manager", "simple batch", "refused"
OPTIONS = EngineOptions(NEW_TOKENS, AT_ONCE, CACHE_TOKENS)


@dataclass(frozen=True, slots=True)
class FamilyResult:
    """What came of a family."""

    family: str
    way: str
    """``manager``, ``simple batch`` or ``refused``."""
    num_same: int
    """Of ``AT_ONCE`` answers, those that are what ``generate`` writes."""
    sentence: str
    """Why it was refused; empty if it runs."""
    thinking: str
    sees: bool
    seconds: float

    @property
    def is_right(self) -> bool:
        """Whether it runs as it should, or is refused as it should."""
        return self.num_same == AT_ONCE or (self.way == REFUSED and bool(self.sentence))


def evaluate_families(device: str = "cpu", only: Sequence[str] = ()) -> Evaluation:
    """Try all families, or those whose names contain one of these texts."""
    every = (*FAMILIES, *VISION_FAMILIES)
    chosen = [one for one in every if not only or any(part in one.name for part in only)]
    results = [try_family(family, device) for family in chosen]
    rows = tuple(
        (
            one.family,
            one.way,
            f"{one.num_same} of {AT_ONCE}" if one.way != REFUSED else "",
            one.thinking,
            "yes" if one.sees else "",
            one.sentence,
        )
        for one in results
    )
    columns = ("family", "runs by", "same as alone", "thinks", "sees", "refused because")
    num_right = sum(one.is_right for one in results)
    return Evaluation(
        "families",
        {
            "families": [asdict(one) for one in results],
            "num_families": len(results),
            "num_right": num_right,
        },
        (ReportTable("Small random models of the real architectures", columns, rows),),
        (f"{num_right} of {len(results)} run as alone, or are refused before a worker is ready.",),
    )


def try_family(family: Family | VisionFamily, device: str = "cpu") -> FamilyResult:
    """Make a family's model, start it as a worker would, and compare what it writes.

    A family that sees is shown pictures beside every other question.
    """
    begun_s = time.perf_counter()
    sees = isinstance(family, VisionFamily) or family.sees
    with tempfile.TemporaryDirectory(prefix="parley-family-") as name:
        try:
            if isinstance(family, VisionFamily):
                folder = save_vision_model(family, Path(name))
            else:
                folder = save_model(family, Path(name))
            is_shown = isinstance(family, VisionFamily)
            way, num_same = _compare(folder, device, is_shown=is_shown)
            sentence = ""
        except (ModelUnavailableError, EngineError, ValueError) as error:
            way, num_same, sentence = REFUSED, 0, str(error).replace(name, "the model")
    seconds = round(time.perf_counter() - begun_s, 1)
    thinking = family.thinking if isinstance(family, Family) else "none"
    return FamilyResult(family.name, way, num_same, sentence, thinking, sees, seconds)


def _compare(folder: Path, device: str, *, is_shown: bool) -> tuple[str, int]:
    """How the model runs, and how many of its answers are those of ``generate``."""
    choice = ModelChoice(str(folder), device, "float32", folder, reads_pictures=is_shown)
    own = build(TRANSFORMERS, choice, OPTIONS, lambda _: None)
    engine = own.engine
    if not isinstance(engine, BatchingEngine):
        raise EngineError(f"{own.kind} computes it, not {TRANSFORMERS}.")
    try:
        if is_shown and not own.can_see:
            raise ModelUnavailableError(f"It sees no pictures here: {own.why_blind}.")
        open_proven(own)
        prompts = [_prompt(own, number) for number in range(AT_ONCE)]
        together = _written_together(engine, prompts)
        way = SIMPLE if isinstance(engine.batches, SimpleBatches) else MANAGER
    finally:
        engine.close()
    loaded = load_model(choice, lambda _: None)
    alone = [
        _whole(written_alone(loaded, prompt.token_ids, NEW_TOKENS, prompt.inputs))
        for prompt in prompts
    ]
    if is_shown and together[ONE_COLOUR] == together[ANOTHER_COLOUR]:
        raise EngineError("Two pictures made no difference to the answer.")
    return way, sum(ours == theirs for ours, theirs in zip(together, alone, strict=True))


ONE_COLOUR, ANOTHER_COLOUR = 1, 3
"""Questions that differ in their picture alone."""
COLOURS = {1: ("red",), 3: ("blue",), 5: ("green", "red"), 7: ("yellow",)}
SIZES = {7: (300, 90)}


def _prompt(own: OwnEngine, number: int) -> Prompt:
    """Prompts of very different lengths, some longer than a small model's window."""
    text = f"Question {number}: " + "and so on " * (7 * number % 19)
    pictures: tuple[str, ...] = ()
    if own.reader:
        colours = COLOURS.get(number, ())
        size = SIZES.get(number, (60, 80))
        pictures = tuple(as_png_url(Image.new("RGB", size, colour)) for colour in colours)
    if number in (ONE_COLOUR, ANOTHER_COLOUR) and pictures:
        text = "What is it?"
    question = PromptInput("", (), text, "", pictures)
    return make_prompt(question, own.info.tokenizer, own.engine.limits, reader=own.reader)


def _written_together(engine: BatchingEngine, prompts: Sequence[Prompt]) -> list[str]:
    generations = [
        engine.submit(
            Request(f"family-{number}", prompt.token_ids, NEW_TOKENS, GREEDY, inputs=prompt.inputs)
        )
        for number, prompt in enumerate(prompts)
    ]
    with ThreadPoolExecutor(len(prompts)) as readers:
        return [_whole(text) for text in readers.map("".join, generations)]


def _whole(text: str) -> str:
    """A text without the half character that a limit may leave at its end."""
    return text.rstrip("\ufffd")
