"""What ``/metrics`` counts, in a registry of its own."""

from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter


@dataclass(frozen=True, slots=True)
class Metrics:
    """The bots' counters."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    accepted: Counter = field(init=False)
    delivered: Counter = field(init=False)

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
        object.__setattr__(self, "accepted", accepted)
        object.__setattr__(self, "delivered", delivered)
