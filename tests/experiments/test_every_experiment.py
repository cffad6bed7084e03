"""Every experiment runs from training to its figure, with four steps, on each type of data in the recipes."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tiny_recipe import TINY, TINY_MODEL, TINY_TRAINER

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.motion_file import write_motion
from pyg_sybio.data.synthetic.synthetic import SyntheticMotions
from pyg_sybio.experiments import measures
from pyg_sybio.experiments.catalogue import EXPERIMENTS
from pyg_sybio.experiments.reproduce import RefusedError, reproduce
from pyg_sybio.training.recipes import RecipeError

STEPS = [
    *("--trainer.max_steps=4", "--trainer.limit_val_batches=1", "--trainer.num_sanity_val_steps=0"),
    "--trainer.precision=32-true",
]
REAL = [*TINY_MODEL, *TINY_TRAINER, *STEPS, "--data.batch_size=8", "--data.num_workers=0"]
# Experiments that do not support some data are refused before training.
REFUSED = {("cmu_mocap", "pck"): RefusedError} | {
    (recipe, "folds"): (RecipeError, ValueError) for recipe in ("synthetic", "cmu_mocap", "motion_folder")
}

Overrides = Callable[[pytest.FixtureRequest], list[str]]


def synthetic(request: pytest.FixtureRequest) -> list[str]:
    return [*TINY, *STEPS]


def cmu_mocap(request: pytest.FixtureRequest) -> list[str]:
    tiny_matrices = "--model.optimizer.init_args.min_side=4"
    return [*REAL, f"--data.root={request.getfixturevalue('data_root')}", tiny_matrices]


def nw_ucla_slim(request: pytest.FixtureRequest) -> list[str]:
    return [*REAL, f"--data.root={request.getfixturevalue('data_root')}"]


def motion_folder(request: pytest.FixtureRequest) -> list[str]:
    folder = request.getfixturevalue("recordings")
    sizes = ["--data.settings.num_observed=12", "--data.settings.num_future=9"]
    return [*REAL, f"--data.root={folder}", "--data.folder=.", *sizes]


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings of three actions with a table of their splits."""
    folder, made = tmp_path_factory.mktemp("recordings"), SyntheticMotions(num_clips=36, num_observed=25)
    rows = ["file,label,split"]
    for number, clip in enumerate(made):
        poses = torch.cat([clip.x, clip.future], dim=1).transpose(0, 1)[None]
        write_motion(Motion(poses=poses, skeleton=made.skeleton, frame_rate=25.0), folder / f"{number}.npz")
        rows.append(f"{number}.npz,action {int(clip.y) % 3},{('train', 'val', 'test')[number // 12]}")
    (folder / "clips.csv").write_text("\n".join(rows))
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder for each recipe; all experiments of a recipe share its runs."""
    return tmp_path_factory.mktemp("results")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # warnings about missing files, and about metrics of few clips
@pytest.mark.parametrize("name", EXPERIMENTS)
@pytest.mark.parametrize(
    "overrides",
    [
        synthetic,
        motion_folder,
        pytest.param(cmu_mocap, marks=pytest.mark.real_data),
        pytest.param(nw_ucla_slim, marks=pytest.mark.real_data),
    ],
    ids=lambda function: function.__name__,
)
def test_an_experiment_runs_from_training_to_its_figure(
    overrides: Overrides,
    name: str,
    folders: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe, experiment = overrides.__name__, EXPERIMENTS[name]
    output, words = folders / recipe, overrides(request)
    # Two strengths suffice to draw a curve.
    for strengths in ("OBSERVATION_RATIOS", "NOISE_DEVIATIONS", "MISSING_SHARES", "FRAME_RATES"):
        monkeypatch.setattr(measures, strengths, getattr(measures, strengths)[-2:])
    split = "val" if recipe == "nw_ucla_slim" else "test"

    def run() -> str:
        return reproduce(experiment, recipe, overrides=words, output=output, split=split, say=lambda _: None)

    if (refused := REFUSED.get((recipe, name))) is not None:
        with pytest.raises(refused):
            run()
        return
    text = run()
    assert f"{len(experiment.arms)} of {len(experiment.arms)} runs are finished" in text
    rows = [line for line in text.splitlines() if line.startswith("| ") and any(map(str.isdigit, line))]
    assert rows
    assert (output / f"{name}-{recipe}.png").read_bytes().startswith(b"\x89PNG")
