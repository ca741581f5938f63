"""What the person reads in the end."""

import pytest

from bots.render.final import LENGTH_NOTE, final_text
from shared.replies import Done, Failed, Final, FinishReason

OPEN_CODE = "Here:\n```py\nprint(1)"
CLOSED_CODE = "Here:\n```py\nprint(1)\n```"

TABLE: list[tuple[Final, str]] = [
    (Done("Hello."), "Hello."),
    (Done(OPEN_CODE), OPEN_CODE),  # nothing follows; the splitter closes it
    (Done("Hello", FinishReason.LENGTH), f"Hello\n\n{LENGTH_NOTE}"),
    (Done(OPEN_CODE, FinishReason.LENGTH), f"{CLOSED_CODE}\n\n{LENGTH_NOTE}"),
    (Done(CLOSED_CODE, FinishReason.LENGTH), f"{CLOSED_CODE}\n\n{LENGTH_NOTE}"),
    (Failed("deadline", "Too late."), "Too late."),
    (Failed("deadline", "Too late.", "So far"), "So far\n\n*Too late.*"),
    (Failed("deadline", "Too late.", OPEN_CODE), f"{CLOSED_CODE}\n\n*Too late.*"),
]


@pytest.mark.parametrize(("reply", "text"), TABLE)
def test_final_text_says_the_outcome_outside_of_code(reply: Final, text: str) -> None:
    assert final_text(reply) == text
