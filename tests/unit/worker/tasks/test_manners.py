"""How a channel wants to be answered, over the worker's own settings."""

import dataclasses

import pytest

from shared.jobs import Kind, Origin, Platform, PromptOverrides, make_job
from worker.tasks.memory import Remembering, in_language, kept_ms, system_prompt_of

JOB = make_job(Kind.CHAT, Origin(Platform.SLACK, "T1", "C1", "1.0", "1.0", "U1"), "hi")


@pytest.mark.parametrize(
    ("manner", "prompt"),
    [
        (None, "Be brief."),
        (PromptOverrides(), "Be brief."),
        (PromptOverrides("Be kind."), "Be kind."),
        (PromptOverrides(language="fr"), "Be brief. Answer in French."),
        (PromptOverrides("Be kind.", "pt"), "Be kind. Answer in Portuguese."),
    ],
)
def test_a_channels_prompt_and_language_are_told_to_the_model(
    manner: PromptOverrides | None, prompt: str
) -> None:
    job = dataclasses.replace(JOB, manner=manner)

    assert system_prompt_of(job, "Be brief.") == prompt
    assert system_prompt_of(job, "").endswith(in_language(job))


@pytest.mark.parametrize(
    ("manner", "ms"), [(None, 500), (PromptOverrides(), 500), (PromptOverrides("", "", 9), 9)]
)
def test_a_channels_retention_goes_before_the_workers(
    manner: PromptOverrides | None, ms: int
) -> None:
    job = dataclasses.replace(JOB, manner=manner)

    assert kept_ms(job, 500) == ms
    assert Remembering(max_turns=10, retention_ms=500).memory(job, "q", "a").retention_ms == ms
