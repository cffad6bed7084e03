"""Runs of experiments: equal settings share a run, and a stopped run resumes from its last checkpoint."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from tiny_recipe import TINY

from pyg_sybio.experiments.runs import Run, finish, identify, identity, that_matter
from pyg_sybio.models.presets import PRESETS
from pyg_sybio.training.keep_checkpoint import OutOfTimeError
from pyg_sybio.training.recipes import data_of, recipe_names, settings

pytestmark = pytest.mark.filterwarnings(
    "ignore:You're resuming from a checkpoint that ended before the epoch"
)


def run_of(folder: Path, *overrides: str, recipe: str = "synthetic") -> Run:
    words = (*TINY, *overrides, "--seed_everything=0")
    given = settings(recipe, words)
    return Run(recipe, words, identify(given), folder, given)


def quiet(_: str) -> None:
    """Ignore progress messages."""


@pytest.mark.parametrize(
    "overrides",
    [
        ["--model.variant.hops", "2"],  # the value of the preset
        ["--model.variant.bones", "true"],  # the default
        ["--model.variant", "{bones: true, hops: 2}"],
        ["--trainer.default_root_dir", "elsewhere"],
        ["--trainer.logger", "false"],
        ["--data.root", "elsewhere"],
        ["--data.num_workers", "2"],
    ],
)
def test_equivalent_settings_have_the_same_digest(overrides: list[str]) -> None:
    assert identify(settings("synthetic", overrides)) == identify(settings("synthetic", []))


@pytest.mark.parametrize(
    "overrides",
    [
        ["--model.variant.hops", "1"],
        ["--model.preset", "mocap"],
        ["--model.alpha", "0.3"],
        ["--trainer.max_steps", "7"],
        ["--data.settings.num_future", "9"],
        ["--data.test.num_clips", "9"],
        ["--seed_everything", "1"],
    ],
)
def test_different_settings_have_different_digests(overrides: list[str]) -> None:
    assert identify(settings("synthetic", overrides)) != identify(settings("synthetic", []))


def test_a_default_value_in_one_split_overrides_the_value_of_all_splits() -> None:
    everywhere = ["--data.settings.frame_rate", "50.0"]
    of_test = [*everywhere, "--data.test.frame_rate", "25.0"]
    assert identify(settings("synthetic", everywhere)) != identify(settings("synthetic", of_test))


def test_arms_keep_the_variant_of_the_recipe() -> None:
    arguments = identity(settings("nw_ucla", ["--model.variant.bones", "false"]))["model"]["arguments"]
    assert arguments["head_channels"] == 64 != PRESETS["mocap"]["head_channels"]
    assert arguments["bones"] is False


def test_settings_of_a_run_contain_no_local_paths() -> None:
    words = ["--data.root", "/home/me", "--trainer.max_steps", "3", "--data.num_workers=2"]
    assert that_matter(words) == ("--trainer.max_steps", "3")


def test_a_run_stopped_by_a_deadline_resumes_from_its_checkpoint(tmp_path: Path) -> None:
    run = run_of(tmp_path, "--trainer.max_steps=3")
    with pytest.raises(OutOfTimeError):
        finish(run, deadline=time.monotonic(), say=quiet)
    assert torch.load(run.checkpoint, weights_only=True)["global_step"] == 1
    assert run.finished is None
    said: list[str] = []
    facts = finish(run, say=said.append)
    assert facts["steps"] == 3
    assert "  continues after step 1" in said
    assert run.finished == facts
    # A finished run is not trained again.
    run.checkpoint.unlink()
    assert finish(run, say=quiet) == facts


def test_training_times_of_resumed_runs_add_up(tmp_path: Path) -> None:
    run = run_of(tmp_path, "--trainer.max_steps=2")
    with pytest.raises(OutOfTimeError):
        finish(run, deadline=time.monotonic(), say=quiet)
    content = torch.load(run.checkpoint, weights_only=True)
    (state,) = (value for key, value in content["callbacks"].items() if "KeepCheckpoint" in key)
    state["seconds"] = 1000.0
    torch.save(content, run.checkpoint)
    assert 1000 < finish(run, say=quiet)["seconds"] < 1500


KILLED = """
import multiprocessing, random, sys
from pathlib import Path

import torch

sys.path[:0] = sys.argv[2:]
from test_runs import quiet, run_of

from pyg_sybio.experiments import runs
from pyg_sybio.experiments.runs import finish

run = run_of(Path(sys.argv[1]), "--trainer.max_steps=40", "--trainer.max_epochs=1000")
runs.SECONDS_BETWEEN_CHECKPOINTS = 0.0
chance, patience, kills = random.Random(0), 0.5, 0
while run.finished is None:
    process = multiprocessing.get_context("fork").Process(target=finish, args=(run,), kwargs={"say": quiet})
    process.start()
    process.join(chance.uniform(0.1, patience))
    if process.is_alive():
        process.kill()
        kills += 1
        patience *= 1.2
    process.join()
    if run.checkpoint.is_file():
        assert 0 < torch.load(run.checkpoint, weights_only=True)["global_step"] <= 40
assert kills
"""


@pytest.mark.slow
def test_a_run_that_is_killed_repeatedly_is_resumed_and_finished(tmp_path: Path) -> None:
    # From a separate process with a single thread, because a fork of a process with more threads may
    # deadlock.
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), str(here), str(here.parent / "helpers")],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    run = run_of(tmp_path, "--trainer.max_steps=40", "--trainer.max_epochs=1000")
    assert run.finished is not None
    assert run.finished["steps"] == 40
    assert run.trained(split="test").model is not None


def test_measures_use_averaged_weights(tmp_path: Path) -> None:
    recipe = tmp_path / "averaged.yaml"
    recipe.write_text(
        "base: synthetic\n"
        "trainer:\n"
        "  callbacks:\n"
        "    - class_path: lightning.pytorch.callbacks.EMAWeightAveraging\n"
        "      init_args: {decay: 0.9, use_buffers: false}\n"
    )
    run = run_of(tmp_path / "run", "--trainer.max_steps=3", recipe=str(recipe))
    with pytest.raises(OutOfTimeError):
        finish(run, deadline=time.monotonic(), say=quiet)
    finish(run, say=quiet)
    content = torch.load(run.checkpoint, weights_only=True)
    average, last = content["state_dict"], content["current_model_state"]
    measured = run.trained(split="test").model.state_dict()
    weights = [name for name, value in measured.items() if value.is_floating_point()]
    assert all(measured[name].equal(average[f"model.{name}"]) for name in weights)
    assert any(not measured[name].equal(last[f"model.{name}"]) for name in weights)


@pytest.mark.parametrize("recipe", recipe_names())
def test_the_data_of_every_recipe_are_described_without_reading_files(recipe: str) -> None:
    assert data_of(recipe, ["--data.batch_size", "3"]).batch_size == 3
