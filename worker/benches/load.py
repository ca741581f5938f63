"""``parley bench load``: throughput and waiting times by the number of concurrent conversations."""

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shared.settings import Settings
from worker.benches.rates import percentile, rate_of
from worker.console import say
from worker.engine.factory import choice_of
from worker.engine.protocol import Tokenizer
from worker.engine.remote.tokenizer import PlainTokenizer
from worker.engine.transformers_engine.loader import load_tokenizer, name_of
from worker.evaluation.report import Evaluation, ReportTable


def bench_load(settings: Settings, measured: Sequence[Path]) -> Evaluation:
    """Compute figures from the results of ``python -m bots load``, a file for each count.

    Args:
        settings: the worker's.
        measured: the files with the results.
    """
    is_served = settings.engine == "openai"
    tokenizer = PlainTokenizer() if is_served else load_tokenizer(choice_of(settings), say)
    points = [_point(tokenizer, json.loads(file.read_text())) for file in measured]
    rows = tuple(
        (
            f"{point['conversations']:,}",
            f"{point['tokens_per_s']:.1f}",
            *(
                f"{point[wait][share] / 1000:.1f}"
                for wait in ("first_text_ms", "last_text_ms")
                for share in ("p50", "p95")
            ),
        )
        for point in points
    )
    columns = ("conversations", "tokens/s", "first p50", "first p95", "whole p50", "whole p95")
    name = settings.model if is_served else name_of(settings.model)
    remarks = ["Seconds from the question to the first text, and to the whole answer."]
    if is_served:
        remarks.append("A token is three bytes here: only the model server knows its own.")
    return Evaluation(
        "load",
        {"model": name, "load": points},
        (ReportTable(name, columns, rows),),
        tuple(remarks),
    )


def _point(tokenizer: Tokenizer, load: dict[str, Any]) -> dict[str, Any]:
    asked = [each for one in load["rounds"] for each in one["asked"]]
    waits = {
        wait: sorted(each[wait] for each in asked) for wait in ("first_text_ms", "last_text_ms")
    }
    rate = statistics.median(rate_of(tokenizer, one) for one in load["rounds"])
    return {
        "conversations": len(load["rounds"][0]["asked"]),
        "tokens_per_s": round(rate, 1),
        **{
            wait: {"p50": percentile(times, 50), "p95": percentile(times, 95)}
            for wait, times in waits.items()
        },
        "memory_mb": load["memory_mb"],
    }
