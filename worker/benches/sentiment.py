"""``parley bench sentiment``: messages a second in batches and one at a time, and latency.

The speed part of ``parley eval sentiment``, without the rest of that evaluation.
"""

import statistics
import time

from worker.console import say
from worker.evaluation.report import Evaluation, Figure, ReportTable
from worker.evaluation.sentiment import NUM_ALONE, held_out_texts, speed_of, speed_texts
from worker.sentiment.classifier import ClassifierChoice, load_classifier, load_plain

PERCENT = 100


def bench_sentiment(choice: ClassifierChoice) -> Evaluation:
    """Rate the held-out tweets.

    Raises:
        ModelUnavailableError: the model is missing.
    """
    say("Loading the sentiment model")
    classifier, texts = load_classifier(choice), speed_texts(held_out_texts())
    speed = speed_of(classifier, load_plain(choice), texts, NUM_ALONE)
    times_ms = []
    for text in texts[:NUM_ALONE]:
        began_s = time.perf_counter()
        classifier.rate([text])
        times_ms.append(1000 * (time.perf_counter() - began_s))
    p95_ms = statistics.quantiles(times_ms, n=PERCENT)[94]
    ratio = speed.batched / speed.one_at_a_time
    figures: dict[str, Figure] = {
        "messages_per_s": {
            "batched": round(speed.batched, 1),
            "one_at_a_time": round(speed.one_at_a_time, 1),
            "one_at_a_time_alike": round(speed.alike, 1),
        },
        "ratio": round(ratio, 2),
        "one_ms": {"p50": round(statistics.median(times_ms), 2), "p95": round(p95_ms, 2)},
    }
    rows = (
        ("in batches, messages/s", f"{speed.batched:,.0f}"),
        ("one at a time, weights as trained, messages/s", f"{speed.one_at_a_time:,.0f}"),
        ("one at a time, as in batches, messages/s", f"{speed.alike:,.0f}"),
        ("batches by one at a time", f"{ratio:.1f}"),
        ("one message, p50, ms", f"{statistics.median(times_ms):.1f}"),
        ("one message, p95, ms", f"{p95_ms:.1f}"),
    )
    return Evaluation("sentiment", figures, (ReportTable("Rating messages", ("", "figure"), rows),))
