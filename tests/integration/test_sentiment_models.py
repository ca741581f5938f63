"""The sentiment model, those that replace it, how it is trained and how it is measured."""

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import platformdirs
import pytest
import torch
from safetensors.torch import load_file

from shared.errors import ModelUnavailableError, StartupError
from shared.settings import read_settings
from tests.fakes.tiny_encoder import save_tiny_encoder
from worker.commands import run
from worker.engine.encoders.common import default_encoder
from worker.engine.encoders.lora import NUM_CLASSES, AdapterShape, new_adapted
from worker.engine.encoders.lora_training import Recipe
from worker.evaluation.sentiment import evaluate_sentiment, held_out_texts, own_texts
from worker.sentiment.classifier import ClassifierChoice, load_classifier, load_plain
from worker.sentiment.corpus import (
    HELD_OUT,
    INNER,
    CorpusPart,
    Domain,
    Sample,
    part_of,
    read_archive,
    read_held_out,
    write_held_out,
)
from worker.sentiment.ratings import LABELS, Classifier, Label
from worker.sentiment.training import TrainingOptions, train_sentiment

CACHE = platformdirs.user_cache_path("parley")
CHOICE = ClassifierChoice(CACHE, device="cpu")
TEXTS = ["I love it!", "I hate it.", "A door.", "Not bad at all, really, I was surprised 🎉", ""]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """The texts are few, and other tests run beside these."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def ours() -> Classifier:
    return load_classifier(CHOICE)


def test_batched_ratings_equal_those_of_one_text_at_a_time(ours: Classifier) -> None:
    texts = [each.text for each in held_out_texts()[::60]] + TEXTS

    together = ours.rate(texts)

    alone = [ours.rate([text])[0] for text in texts]
    assert [rating.score for rating in together] == pytest.approx(
        [rating.score for rating in alone], abs=0.02
    ), "another order of sums may round an int8 number the other way"


def test_fast_model_rates_as_the_one_that_was_trained(ours: Classifier) -> None:
    texts = [each.text for each in held_out_texts()[::60]]

    pairs = list(zip(ours.rate(texts), load_plain(CHOICE).rate(texts), strict=True))

    distances = [abs(fast.score - plain.score) for fast, plain in pairs]
    assert 0 < sum(distances) / len(pairs) < 0.06, "rounded, and hardly felt on -4 to 4"
    assert sum(fast.label is not plain.label for fast, plain in pairs) <= len(pairs) / 20


def test_the_encoder_has_a_logit_for_each_label() -> None:
    assert len(LABELS) == NUM_CLASSES


def test_rating_nothing_is_nothing(ours: Classifier) -> None:
    assert ours.rate([]) == []


def test_another_model_takes_our_models_place(tmp_path: Path) -> None:
    place = save_tiny_encoder(tmp_path, ["negative", "neutral", "positive"])

    classifier = load_classifier(ClassifierChoice(CACHE, str(place), "cpu"))

    together = classifier.rate(["good day", "bad", "good good good"])
    assert classifier.name == str(place)
    assert [rating.label for rating in together] == [
        classifier.rate([text])[0].label for text in ("good day", "bad", "good good good")
    ]
    assert all(-4 <= rating.score <= 4 for rating in together)


def test_the_same_model_with_its_classes_swapped_says_the_opposite(tmp_path: Path) -> None:
    names = ["negative", "positive"]
    straight = save_tiny_encoder(tmp_path / "straight", names)
    swapped = save_tiny_encoder(tmp_path / "swapped", names[::-1])

    scores = [
        load_classifier(ClassifierChoice(CACHE, str(place), "cpu")).rate(["good"])[0].score
        for place in (straight, swapped)
    ]

    assert scores[0] == pytest.approx(-scores[1])
    assert scores[0] != 0


@pytest.mark.parametrize(
    ("labels", "is_safe", "sentence"),
    [
        (["LABEL_0", "LABEL_1"], True, "classes are called LABEL_0, LABEL_1: Parley needs names"),
        (["negative", "positive"], False, "has .safetensors weights"),
    ],
)
def test_model_that_cannot_be_used_is_refused_with_a_sentence(
    tmp_path: Path, labels: list[str], sentence: str, *, is_safe: bool
) -> None:
    place = save_tiny_encoder(tmp_path, labels, is_safe=is_safe)

    with pytest.raises(ModelUnavailableError, match="PARLEY_SENTIMENT_MODEL") as caught:
        load_classifier(ClassifierChoice(CACHE, str(place), "cpu"))

    assert sentence in str(caught.value)


def test_folder_without_a_model_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError, match=r"no model in that folder \(no config.json\)"):
        load_classifier(ClassifierChoice(CACHE, str(tmp_path), "cpu"))


def test_ours_beats_both_baselines_on_texts_that_nobody_trained_on() -> None:
    evaluation = evaluate_sentiment(CHOICE, held_out_texts()[::12], num_alone=20)

    scores = evaluation.figures["macro_f1"]
    assert isinstance(scores, dict)
    assert list(scores) == [domain.value for domain in Domain]
    # Some hundred texts a domain are few: each domain is held by `parley eval`, here their mean.
    mean_of = {
        model: sum(by_model[model] for by_model in scores.values())
        for model in ("parley", "vader", "frozen")
    }
    assert mean_of["parley"] > max(mean_of["vader"], mean_of["frozen"])
    speeds = evaluation.figures["messages_per_s"]
    assert isinstance(speeds, dict)
    assert speeds["batched"] > speeds["one_at_a_time"] > 0


def test_evaluation_takes_somebodys_own_texts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "own.tsv"
    file.write_text("positive\tI love it\nnegative\tI hate it\n\nneutral\tA\ttab\n")
    settings = read_settings({"PARLEY_DEVICE": "cpu"}, env_file=None)

    code = run(settings, ["eval", "sentiment", "--texts", str(file), "--json"])

    figures = json.loads(capsys.readouterr().out)
    assert code == 0
    assert set(figures) == {"macro_f1", "messages_per_s"}
    assert set(figures["macro_f1"]["texts"]) == {"parley", "vader", "frozen"}
    assert set(figures["messages_per_s"]) == {"batched", "one_at_a_time"}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("positive\tfine\ngood\tbetter\n", "Line 2 of .* needs positive, neutral or negative"),
        ("positive fine\n", "Line 1 of"),
        ("positive\t \n", "Line 1 of"),
        ("", "has no line"),
    ],
)
def test_own_texts_that_cannot_be_read_are_named(
    tmp_path: Path, content: str, sentence: str
) -> None:
    file = tmp_path / "own.tsv"
    file.write_text(content)

    with pytest.raises(StartupError, match=sentence):
        own_texts(file)


def test_held_out_texts_are_those_that_the_hash_chooses() -> None:
    samples = read_held_out()

    assert {part_of(sample.text) for sample in samples} == {CorpusPart.HELD_OUT}
    assert len(samples) == 4_633
    assert {sample.domain for sample in samples} == set(Domain)
    assert HELD_OUT.stat().st_size < 1_000_000


def test_part_of_a_text_does_not_depend_on_its_blanks_and_capitals() -> None:
    texts = [f"text number {number}" for number in range(200)]

    parts = [part_of(text) for text in texts]

    assert parts == [part_of(f"  {text.upper()}\n") for text in texts]
    assert set(parts) == set(CorpusPart)


def made_up(number: int) -> Sample:
    score = (3.0, -3.0, 0.0)[number % 3]
    word = {3.0: "wonderful", -3.0: "terrible", 0.0: "wooden"}[score]
    return Sample(list(Domain)[number % 4], score, f"a {word} thing, number {number}")


def test_training_writes_a_model_that_can_be_used_and_trains_the_same_one_again(
    tmp_path: Path,
) -> None:
    samples = [made_up(number) for number in range(80)]
    said: list[str] = []

    def trained(name: str) -> Path:
        out = tmp_path / name
        recipe = Recipe(num_epochs=4, batch_size=8)
        report = train_sentiment(TrainingOptions(samples, "0" * 64, recipe, out), said.append)
        assert json.loads((out / "report.json").read_text()) == report
        assert set(report["held_out"]) == {domain.value for domain in Domain}
        return out

    first, again = trained("first"), trained("again")

    one, other = (load_file(place / "sentiment.safetensors") for place in (first, again))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert said[4].startswith("epoch 4 of 4: loss")
    classifier = load_classifier(ClassifierChoice(tmp_path, str(first), "cpu"))
    good, bad = classifier.rate(["a wonderful thing, number 1", "a terrible thing, number 2"])
    assert good.score > bad.score
    read = read_held_out(first / "held_out.tsv.xz")
    assert read == [sample for sample in samples if part_of(sample.text) is CorpusPart.HELD_OUT]


def test_seed_decides_where_training_begins() -> None:
    place, shape = str(default_encoder()), AdapterShape(num_layers=2, rank=2, num_cues=7)

    one, same, other = (new_adapted(place, shape, seed)[0].hidden.weight for seed in (1, 1, 2))

    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def archive_of(folder: Path, lines: dict[str, str]) -> Path:
    """An archive that is laid out as the real one."""
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w:gz") as tar:
        for name, content in lines.items():
            _put(tar, f"hutto_ICWSM_2014/{name}", content.encode())
    archive = folder / "archive.tar.gz"
    with tarfile.open(archive, mode="w:gz") as tar:
        _put(tar, f"vaderSentiment-3.3.2/{INNER}", inner.getvalue())
    return archive


def _put(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def test_archive_is_read_with_all_four_kinds_of_texts(tmp_path: Path) -> None:
    archive = archive_of(
        tmp_path,
        {
            "tweets_GroundTruth.txt": '\ufeff1\t2.5\t"quoted\r\n2\t-1\ttwo  blanks\r\n',
            "nytEditorialSnippets_GroundTruth.txt": "1_1\t0.5\tat the boundary",
            "README.txt": "not a text",
        },
    )

    samples = read_archive(archive, num_texts=3)

    assert [(each.domain, each.score, each.text) for each in samples] == [
        (Domain.TWEETS, 2.5, '"quoted'),
        (Domain.TWEETS, -1.0, "two blanks"),
        (Domain.EDITORIALS, 0.5, "at the boundary"),
    ]
    assert [each.label for each in samples] == [LABELS[2], LABELS[0], Label.POSITIVE]


def test_another_archive_is_refused_with_a_sentence(tmp_path: Path) -> None:
    other = tmp_path / "other.tar.gz"
    other.write_bytes(b"not an archive")
    short = archive_of(tmp_path, {"tweets_GroundTruth.txt": "1\t2.5\tone text"})

    for archive in (other, short, tmp_path / "missing"):
        with pytest.raises(StartupError, match="not the source distribution of vaderSentiment"):
            read_archive(archive)


def test_held_out_file_is_the_same_for_the_same_texts(tmp_path: Path) -> None:
    samples = [made_up(number) for number in range(50)]

    write_held_out(samples, tmp_path / "one")
    write_held_out(samples, tmp_path / "two")

    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
