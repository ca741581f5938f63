"""``parley bench`` on a tiny model: what is measured is there, and the keys stay."""

import io
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from matplotlib.image import imread

from shared.cli.processes import python_module
from shared.errors import SettingsError
from shared.settings import Settings, read_settings
from tests.fakes.tiny_encoder import save_tiny_encoder
from tests.running import clean_environment
from worker import commands


def settings_of(folder: Path, model: Path | str) -> dict[str, str]:
    return {
        "PARLEY_MODEL": str(model),
        "PARLEY_DEVICE": "cpu",
        "PARLEY_CACHE_TOKENS": "16384",
        "PARLEY_DATA_DIR": str(folder),
    }


def read(settings: dict[str, str]) -> Settings:
    return read_settings(settings, env_file=None)


def bench(
    folder: Path, model: Path | str, *words: str, **others: str
) -> "tuple[dict[str, Any], subprocess.CompletedProcess[str]]":
    """What a bench has measured, if it came to an end, and how it ended."""
    environment = {**clean_environment(), **settings_of(folder, model), **others}
    run = subprocess.run(
        python_module("shared.cli", "bench", *words, "--json"),
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    return json.loads(run.stdout or "{}"), run


def test_each_engine_is_measured_beside_one_at_a_time(endless_model: Path, tmp_path: Path) -> None:
    options = ("--at-once", "1", "--at-once", "3", "--new-tokens", "6", "--repeats", "1")

    measured, run = bench(tmp_path, endless_model, "engine", *options)

    assert run.returncode == 0, run.stderr
    assert set(measured) == {
        *("model", "one_at_a_time", "static_batches", "transformers"),
        *("openvino", "openvino_bare", "ratios", "bandwidth_gb_per_s"),
    }
    assert measured["bandwidth_gb_per_s"] > 0
    assert set(measured["static_batches"]) == {"3"}
    for engine in ("transformers", "openvino"):
        figures = {"1", "3", "second_turn", "long_prompt", "bandwidth_share"}
        assert set(measured[engine]) == figures
        assert all(figure > 0 for figure in measured[engine].values())
    assert measured["ratios"]["one_at_a_time"] == {"1": 1.0}


def test_the_engines_of_a_model_that_is_not_there_end_with_a_sentence(tmp_path: Path) -> None:
    options = ("--at-once", "1", "--at-once", "3", "--new-tokens", "6", "--repeats", "1")

    measured, run = bench(tmp_path, "/there/is/none", "engine", *options)

    assert (measured, run.returncode) == ({}, 66)
    assert "PARLEY_MODEL names /there/is/none" in run.stderr
    assert "Traceback" not in run.stderr


def test_the_whole_way_is_measured_beside_the_bare_engine(
    endless_model: Path, tmp_path: Path
) -> None:
    options = ("--concurrency", "3", "--new-tokens", "8", "--repeats", "1")

    measured, run = bench(tmp_path, endless_model, "serve", *options)

    assert run.returncode == 0, run.stderr
    assert measured["tokens_per_s"] > 0
    assert set(measured["ratios"]) == {
        *("engine", "one_at_a_time", "openvino_bare", "llama_server"),
    }
    assert measured["ratios"]["engine"] > 0
    assert measured["ratios"]["llama_server"] is None, "it has no file of this model"
    assert 0 < measured["first_text_ms"]["p50"] <= measured["first_text_ms"]["p95"]
    assert set(measured["memory_mb"]) == {"bots", "redis", "worker 1"}
    assert measured["concurrency"] == 3
    assert measured["alone"]["tokens_per_s"] > 0


def test_the_whole_way_without_a_model_ends_with_the_workers_sentence(tmp_path: Path) -> None:
    options = ("--concurrency", "3", "--new-tokens", "8", "--repeats", "1")

    measured, run = bench(tmp_path, "/there/is/none", "serve", *options)

    assert measured == {}
    assert run.returncode == 66
    assert "PARLEY_MODEL names /there/is/none" in run.stderr
    assert "Traceback" not in run.stderr


def plot(folder: Path, said: str) -> "subprocess.CompletedProcess[str]":
    """Draw the figures in a file."""
    return subprocess.run(
        python_module("shared.cli", "bench", "plot", said, "picture.png"),
        env=clean_environment(),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def plotted(folder: Path, measured: "dict[str, Any]") -> bytes:
    """The picture of what was measured, without a process for it."""
    said, picture = folder / "said.json", folder / "picture.png"
    said.write_text(json.dumps(measured))
    assert commands.run(read({}), ["bench", "plot", str(said), str(picture)]) == 0
    return picture.read_bytes()


def test_the_whole_way_is_measured_and_drawn_by_how_many_ask(
    endless_model: Path, tmp_path: Path
) -> None:
    options = ("--conversations", "1", "--conversations", "3", "--new-tokens", "8")

    measured, run = bench(tmp_path, endless_model, "load", *options, "--repeats", "1")

    assert run.returncode == 0, run.stderr
    assert [point["conversations"] for point in measured["load"]] == [1, 3]
    for point in measured["load"]:
        assert point["tokens_per_s"] > 0
        assert 0 < point["first_text_ms"]["p50"] <= point["last_text_ms"]["p50"]
        assert point["last_text_ms"]["p50"] <= point["last_text_ms"]["p95"]
        assert set(point["memory_mb"]) == {"bots", "redis", "worker 1"}
    faster = [{**point, "tokens_per_s": 2 * point["tokens_per_s"]} for point in measured["load"]]
    (tmp_path / "said.json").write_text(run.stdout)
    drawn = plot(tmp_path, "said.json")
    assert drawn.returncode == 0, drawn.stderr
    picture = (tmp_path / "picture.png").read_bytes()
    assert imread(io.BytesIO(picture)).shape == (600, 960, 4)
    assert plotted(tmp_path, {"load": faster}) != picture


def test_what_was_not_measured_is_not_drawn(tmp_path: Path) -> None:
    (tmp_path / "said.json").write_text("[1, 2]")

    ran = plot(tmp_path, "said.json")

    assert ran.returncode == SettingsError.exit_code
    assert "said.json is not what `parley bench load --json`" in ran.stderr
    assert "Traceback" not in ran.stderr
    with pytest.raises(SettingsError, match=r"none\.json is not what `parley bench load --json`"):
        commands.run(read({}), ["bench", "plot", str(tmp_path / "none.json"), "picture.png"])


def test_what_waits_is_measured_while_nobody_answers(tmp_path: Path) -> None:
    measured, run = bench(tmp_path, "none", "ingest", "--messages", "300", "--per-s", "100")

    assert run.returncode == 0, run.stderr
    assert 0 < measured["accept_ms"]["p50"] <= measured["accept_ms"]["p95"]
    assert measured["flat_out_per_s"] > 0
    assert 500 < measured["redis_bytes_each"] < 20_000
    assert [step["waiting"] for step in measured["memory"]] == [0, 1, 10, 100, 300]
    assert measured["memory"][-1]["redis_mb"] > measured["memory"][0]["redis_mb"]
    assert imread(io.BytesIO(plotted(tmp_path, measured))).shape == (600, 960, 4)


def test_more_workers_are_measured_that_compute_nothing(tmp_path: Path) -> None:
    options = ("--workers", "1", "--workers", "2", "--slots", "2", "--repeats", "1")

    measured, run = bench(tmp_path, "none", "scale", *options, "--tokens-per-s", "200")

    assert run.returncode == 0, run.stderr
    one, two = measured["scale"]
    assert (one["workers"], one["at_once"], two["workers"], two["at_once"]) == (1, 2, 2, 4)
    for each in (one, two):
        assert 0 < each["of_ideal"] <= 1
        assert each["bots_cpu"] > 0
        assert each["redis_cpu"] > 0


def test_finding_passages_is_measured_by_how_many_there_are(tmp_path: Path) -> None:
    encoder = str(save_tiny_encoder(tmp_path / "encoder"))
    options = ("retrieval", "--passages", "20")

    measured, run = bench(tmp_path, "none", *options, PARLEY_EMBEDDING_MODEL=encoder)

    assert run.returncode == 0, run.stderr
    ((size, figures),) = measured.items()
    assert int(size) >= 20
    assert 0 < figures["embedding_p50_ms"] < figures["p50_ms"] <= figures["p95_ms"]
    assert figures["redis_mb"] > 0


def test_ratings_are_measured_together_and_one_at_a_time(tmp_path: Path) -> None:
    encoder = str(save_tiny_encoder(tmp_path / "encoder"))

    measured, run = bench(tmp_path, "none", "sentiment", PARLEY_SENTIMENT_MODEL=encoder)

    assert run.returncode == 0, run.stderr
    assert set(measured["messages_per_s"]) == {"batched", "one_at_a_time", "one_at_a_time_alike"}
    assert all(figure > 0 for figure in measured["messages_per_s"].values())
    assert measured["ratio"] > 0
    assert 0 < measured["one_ms"]["p50"] <= measured["one_ms"]["p95"]


def test_the_start_is_measured_up_to_the_first_text(tiny_model: Path, tmp_path: Path) -> None:
    measured, run = bench(tmp_path, tiny_model, "startup", "--repeats", "1")

    assert run.returncode == 0, run.stderr
    assert set(measured) == {"command_s", "redis_s", "worker_s", "first_text_s"}
    assert all(took_s > 0 for took_s in measured.values())


def test_a_start_without_a_model_ends_with_the_workers_sentence(tmp_path: Path) -> None:
    measured, run = bench(tmp_path, "/there/is/none", "startup")

    assert (measured, run.returncode) == ({}, 66)
    assert "PARLEY_MODEL names /there/is/none" in run.stderr
