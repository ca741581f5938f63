"""``parley eval qa`` on somebody's own documents and questions, through the command itself."""

import json
import subprocess
from pathlib import Path

import pytest

from shared.cli.processes import python_module

DOCUMENTS = {
    "badges.md": "# Badges\n\n## Lost\n\nAsk the front desk for a new badge.\n",
    "trains.md": "# Trains\n\nTrains are booked three days ahead, at the travel desk.\n",
    "lunch.txt": "Lunch is served from noon until two in the canteen on the ground floor.\n",
}
QUESTIONS = (
    "How do I get a new badge?\tbadges\nHow are trains booked?\ttrains\n\nWhen is lunch?\tlunch\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "docs"
    made.mkdir()
    for name, text in DOCUMENTS.items():
        (made / name).write_text(text)
    return made


def evaluate(folder: Path, questions: str) -> "subprocess.CompletedProcess[str]":
    file = folder.parent / "questions.tsv"
    file.write_text(questions)
    command = python_module("shared.cli", "eval", "qa", "--json")
    return subprocess.run(
        [*command, "--docs", str(folder), "--questions", str(file)],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )


def test_own_documents_and_questions_are_measured_with_the_keys_that_others_read(
    folder: Path,
) -> None:
    run = evaluate(folder, QUESTIONS)

    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    measures = {"hit1", "hit3", "mrr"}
    assert found["questions"] == 3
    assert all(set(found[who]) == measures for who in ("bm25", "embeddings", "parley"))
    assert found["parley"]["hit3"] == 1.0
    assert 0 <= found["refused_answerable"] < found["refused_offtopic"] <= 1


@pytest.mark.parametrize(
    ("questions", "sentence"),
    [
        ("How are trains booked? trains\n", "line 1: question, tab, file's name"),
        ("How are trains booked?\ttrains\nWho?\tships\n", "line 2: there is no file ships"),
        ("\n", "is empty"),
    ],
)
def test_a_file_of_questions_that_is_wrong_is_told_by_its_line(
    folder: Path, questions: str, sentence: str
) -> None:
    run = evaluate(folder, questions)

    assert run.returncode == 78
    assert sentence in run.stderr
    assert "Traceback" not in run.stderr
