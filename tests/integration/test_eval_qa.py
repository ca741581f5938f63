"""``parley eval qa`` on somebody's own documents and questions, through the command itself."""

import json
import subprocess
from pathlib import Path

import pytest

from shared.cli.processes import python_module
from shared.errors import SettingsError
from shared.settings import read_settings
from tests.fakes.tiny_encoder import save_tiny_encoder
from tests.running import clean_environment
from worker import commands

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
    return subprocess.run(
        python_module("shared.cli", *words_for(folder, questions)),
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )


def words_for(folder: Path, questions: str) -> list[str]:
    """The command, once its questions are in a file."""
    file = folder.parent / "questions.tsv"
    file.write_text(questions)
    return ["eval", "qa", "--json", "--docs", str(folder), "--questions", str(file)]


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


def test_a_file_of_questions_that_is_wrong_is_told_by_its_line(folder: Path) -> None:
    run = evaluate(folder, "How are trains booked? trains\n")

    assert run.returncode == 78
    assert "line 1: question, tab, file's name" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize(
    ("questions", "sentence"),
    [
        ("How are trains booked?\ttrains\nWho?\tships\n", "line 2: there is no file ships"),
        ("\n", "is empty"),
    ],
)
def test_what_else_may_be_wrong_with_it_is_told_too(
    folder: Path, tmp_path: Path, questions: str, sentence: str
) -> None:
    encoder = {"PARLEY_EMBEDDING_MODEL": str(save_tiny_encoder(tmp_path / "encoder"))}
    settings = read_settings(encoder, env_file=None)

    with pytest.raises(SettingsError, match=sentence) as caught:
        commands.run(settings, words_for(folder, questions))

    assert caught.value.exit_code == 78
