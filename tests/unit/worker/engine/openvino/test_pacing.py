"""The pacing of a long prompt's parts between the steps of running answers."""

import pytest

from worker.engine.openvino.pacing import MAX_STRETCH, PartPacing


@pytest.mark.parametrize("part_s", [0.02, 0.03, 0.1, 0.5])
def test_running_answers_are_slowed_down_by_no_more_than_the_limit(part_s: float) -> None:
    plain_s = 0.02
    pacing = PartPacing()
    total_s, num_steps, num_parts = 0.0, 0, 0
    pacing.note(plain_s, is_part=False)

    while num_parts < 20:
        is_part = pacing.is_due
        step_s = part_s if is_part else plain_s
        pacing.note(step_s, is_part=is_part)
        total_s += step_s
        num_steps += 1
        num_parts += is_part

    # the first part comes before any was measured
    assert (total_s - part_s) / (num_steps - 1) <= MAX_STRETCH * plain_s * 1.001


def test_a_part_that_costs_nothing_is_followed_by_the_next() -> None:
    pacing = PartPacing()
    pacing.note(0.02, is_part=False)
    pacing.note(0.02, is_part=True)

    assert pacing.is_due
