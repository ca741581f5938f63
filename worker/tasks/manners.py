"""How a job's channel wants to be answered, laid over the worker's own settings. Pure."""

from shared.jobs import Job
from shared.languages import name_of


def told(job: Job, own_prompt: str) -> str:
    """What the model is told first.

    Args:
        job: whose channel may have a prompt of its own, and a language.
        own_prompt: the worker's.
    """
    manner = job.manner
    if manner is None:
        return own_prompt
    return f"{manner.system_prompt or own_prompt}{in_language(job)}"


def in_language(job: Job) -> str:
    """What is said to the model of the language of its answer; empty if that is the question's."""
    language = job.manner.language if job.manner else ""
    return f" Answer in {name_of(language)}." if language else ""


def kept_ms(job: Job, own_ms: int) -> int:
    """How long the job's conversation is remembered, in ms; ``own_ms`` is the worker's setting."""
    retention_ms = job.manner.retention_ms if job.manner else None
    return own_ms if retention_ms is None else retention_ms
