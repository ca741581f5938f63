"""What ``/metrics`` counts, in a registry of its own."""

from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Histogram


@dataclass(frozen=True, slots=True)
class Metrics:
    """The bots' counters."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    accepted: Counter = field(init=False)
    delivered: Counter = field(init=False)
    loop_lag: Histogram = field(init=False)

    def __post_init__(self) -> None:
        """Make the counters."""
        accepted = Counter(
            "parley_jobs_accepted", "Messages accepted", ["platform"], registry=self.registry
        )
        delivered = Counter(
            "parley_jobs_delivered",
            "Final replies shown, or found undeliverable",
            ["platform", "outcome"],
            registry=self.registry,
        )
        loop_lag = Histogram(
            "parley_event_loop_lag_seconds",
            "How long the event loop kept others waiting",
            buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5),
            registry=self.registry,
        )
        object.__setattr__(self, "accepted", accepted)
        object.__setattr__(self, "delivered", delivered)
        object.__setattr__(self, "loop_lag", loop_lag)
