"""Training by recipe: losses, schedule, checkpoints, resuming."""

import math
from collections import defaultdict
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import torch
from random_motions import random_motion
from tiny_recipe import TINY, TINY_MODEL, TINY_TRAINER, tiny, two_steps
from torch import nn
from torch_geometric.data import Batch, Data

from pyg_sybio.accelerate.dense_actional import DenseActionalGraph
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.motion_file import write_motion
from pyg_sybio.data.synthetic.synthetic import SyntheticMotions
from pyg_sybio.data.transforms import MotionTransform
from pyg_sybio.losses import SymbioticLoss
from pyg_sybio.models.sybio_gnn import SybioGNN
from pyg_sybio.skeleton import load_skeleton
from pyg_sybio.trained.evaluation import numbered_clip
from pyg_sybio.trained.load import load_trained
from pyg_sybio.training.module import SybioModule
from pyg_sybio.training.recipes import RecipeCLI, fit, prepare


class Masked(SyntheticMotions):
    """Clips whose last future frames were not recorded. Clips 12 to 23, and clips from 30 on, have no
    future.
    """

    def get(self, idx: int) -> Data:
        data = super().get(idx)
        mask = torch.ones(*data.future.shape[:2], 1, dtype=torch.bool)
        mask[:, 5 if idx < 24 else 3 :] = False
        mask[idx % 3, :2] = False
        if 12 <= idx < 24 or idx >= 30:
            mask[:] = False
        # Unrecorded values are normally zero; another value here shows whether they are read.
        return Data(x=data.x, future=data.future.masked_fill(~mask, torch.nan), future_mask=mask, y=data.y)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> RecipeCLI:
    return fit("synthetic", tiny(tmp_path_factory.mktemp("run"), steps=2))


def last_checkpoint(cli: RecipeCLI) -> Path:
    return Path(cli.trainer.log_dir) / "checkpoints" / "last.ckpt"


def test_a_checkpoint_is_self_contained(trained: RecipeCLI) -> None:
    checkpoint = load_trained(last_checkpoint(trained))
    assert checkpoint.training["global_step"] == 2
    assert checkpoint.model.skeleton == trained.datamodule.skeleton
    assert checkpoint.class_names == tuple(trained.datamodule.clips("train").class_names)
    # Every twelve consecutive synthetic clips contain every class, so two batches of twelve contain all
    # classes.
    assert all(checkpoint.seen_classes)
    for name, weight in trained.model.model.state_dict().items():
        torch.testing.assert_close(checkpoint.model.state_dict()[name], weight, msg=name)


def test_the_data_module_is_restored_from_the_checkpoint(trained: RecipeCLI) -> None:
    data = load_trained(last_checkpoint(trained)).splits()
    for split in ("train", "val", "test"):
        restored, original = (numbered_clip(each.clips(split), 3) for each in (data, trained.datamodule))
        torch.testing.assert_close(restored.x, original.x)


def test_the_last_checkpoint_has_the_final_weights(tmp_path: Path) -> None:
    recipe = tmp_path / "first.yaml"
    recipe.write_text(
        "base: synthetic\n"
        "trainer:\n"
        "  callbacks:\n"
        "    - class_path: lightning.pytorch.callbacks.ModelCheckpoint\n"
        "      init_args: {monitor: epoch, mode: min, filename: best}\n"
    )
    cli = fit(str(recipe), [*tiny(tmp_path, steps=8), "--trainer.max_epochs=4"])
    best = load_trained(last_checkpoint(cli).with_name("best.ckpt"))
    last = load_trained(last_checkpoint(cli))
    assert best.training["global_step"] < last.training["global_step"] == 8
    weights = dict(cli.model.model.named_parameters())
    for name, weight in last.model.named_parameters():
        assert torch.equal(weight, weights[name]), name


@pytest.mark.filterwarnings("ignore:The dirpath has changed", "ignore:`ModelCheckpoint.* could not find")
def test_resuming_continues_from_the_last_step(trained: RecipeCLI) -> None:
    root = Path(trained.trainer.default_root_dir)
    resumed = fit("synthetic", [*tiny(root, steps=4), "--ckpt_path=last"])
    assert resumed.trainer.global_step == 4
    # One epoch has two steps: a run that had restarted would be in its second epoch after four steps.
    assert load_trained(last_checkpoint(resumed)).training["global_step"] == 4
    step = next(iter(resumed.trainer.optimizers[0].state.values()))["step"]
    assert int(step) == 4


def test_logs_and_resolved_settings_are_next_to_the_checkpoints(trained: RecipeCLI) -> None:
    folder = Path(trained.trainer.log_dir)
    header = (folder / "metrics.csv").read_text().splitlines()[0].split(",")
    assert {"train_loss", "val_loss", "val_accuracy", "val_mpjpe_mm"} <= set(header)
    assert list(folder.glob("events.out.tfevents.*"))
    again = prepare(str(folder / "config.yaml"))
    assert again.datamodule.splits.describe() == trained.datamodule.splits.describe()


@pytest.mark.parametrize("left_out", ["prediction", "recognition"])
def test_a_variant_with_one_task_trains(left_out: str, tmp_path: Path) -> None:
    cli = fit("synthetic", [*tiny(tmp_path, steps=2), f"--model.variant.{left_out}=false"])
    metrics = cli.trainer.callback_metrics
    assert math.isfinite(metrics["val_loss"])
    assert f"val_{left_out}_loss" not in metrics
    assert ("val_accuracy" in metrics) == (left_out == "prediction")


def test_a_model_with_only_the_bone_network_trains(tmp_path: Path) -> None:
    cli = fit("synthetic", [*tiny(tmp_path, steps=2), "--model.variant.joints=false"])
    metrics = cli.trainer.callback_metrics
    assert math.isfinite(metrics["val_prediction_loss"]) and metrics["val_prediction_loss"] > 0
    assert "val_accuracy" in metrics and "val_mpjpe_mm" not in metrics
    checkpoint = load_trained(last_checkpoint(cli))
    assert checkpoint.model.joint_network is None
    clip = cli.datamodule.clips("test")[0].x.transpose(0, 1)
    prediction = checkpoint.predict(clip)
    assert prediction.future is None and prediction.probabilities is not None


@pytest.mark.slow
def test_a_compiled_run_trains_the_same_weights_under_the_same_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: list[dict[str, object]] = []

    def compile_without_code(model: SybioGNN, **arguments: object) -> None:
        """Trace the graph and run it without code generation, which would take minutes."""
        settings.append(arguments)
        nn.Module.compile(model, backend="eager", **arguments)

    monkeypatch.setattr(SybioGNN, "compile", compile_without_code)
    recipe = ["--model.variant.bones=false", "--model.variant.actional_iterations=1"]
    # For a gradient near zero, the step of Adam would depend on its sign and so on rounding.
    recipe += ["--model.optimizer=torch.optim.SGD", "--model.optimizer.lr=0.01"]
    plain = fit("synthetic", [*tiny(tmp_path / "plain", steps=2), *recipe])
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    cli = fit("synthetic", [*tiny(tmp_path / "compiled", steps=2), *recipe, "--model.compile=true"])
    assert settings == [{"fullgraph": True}]
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] >= 2  # training and validation
    found, expected = load_trained(last_checkpoint(cli)), load_trained(last_checkpoint(plain))
    assert found.model.state_dict().keys() == expected.model.state_dict().keys()
    for name, weight in found.model.state_dict().items():
        torch.testing.assert_close(weight, expected.model.state_dict()[name], atol=1e-5, rtol=1e-4, msg=name)


def test_a_recipe_may_checkpoint_activations() -> None:
    for value in (True, False):
        cli = prepare("synthetic", [*TINY, f"--model.checkpoint_activations={value}".lower()])
        assert cli.model.model.checkpoint_activations == value


def test_a_recipe_may_use_dense_actional_graphs() -> None:
    reference = prepare("synthetic", TINY).model.model
    dense = prepare("synthetic", [*TINY, "--model.dense_actional=true"]).model.model
    assert isinstance(dense.joint_network.actional_graph, DenseActionalGraph)
    assert isinstance(dense.bone_network.actional_graph, DenseActionalGraph)
    assert dense.state_dict().keys() == reference.state_dict().keys()


def test_the_training_step_returns_the_loss_of_the_batch(
    trained: RecipeCLI, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, clips = trained.model, trained.datamodule.clips("train")
    batch = Batch.from_data_list([clips[i] for i in range(6)])
    module.eval()
    out = module.model(batch)
    future = torch.stack([clips[i].future for i in range(6)]).transpose(1, 2)
    loss = SymbioticLoss(clips.skeleton, alpha=module.loss.alpha, feature_scale=module.loss.feature_scale)
    expected = loss(out, y=batch.y, future=future)
    # Outside of a run, there is no logger.
    monkeypatch.setattr(module, "log_dict", lambda *args, **kwargs: None)
    step = module.training_step(batch, 0)
    assert step.keys() == {"loss", "actional"}
    torch.testing.assert_close(step["loss"], expected.total)
    assert step["loss"].requires_grad
    assert step["actional"].keys() == {"joints", "bones"}
    torch.testing.assert_close(step["actional"]["joints"], out.actional.detach())
    torch.testing.assert_close(step["actional"]["bones"], out.bone_actional.detach())
    assert not any(graphs.requires_grad for graphs in step["actional"].values())


@pytest.mark.filterwarnings("ignore:`ModelCheckpoint.* could not find the monitored key")  # no validation
def test_separate_networks_train_on_the_loss_of_each_network(tmp_path: Path) -> None:
    loss = {}
    for separate in (False, True):
        overrides = [f"--model.separate_networks={separate}".lower(), "--trainer.precision=32-true"]
        cli = fit("synthetic", [*tiny(tmp_path / str(separate), steps=1), *overrides])
        assert cli.model.loss.separate_networks == separate
        loss[separate] = cli.trainer.callback_metrics["train_recognition_loss"].item()
    # For the same weights and clips, the mean of two logarithms is less than the logarithm of the mean.
    assert loss[True] > loss[False] + 1e-4


def test_the_joint_loss_equals_the_reported_error_in_body_sizes(tmp_path: Path) -> None:
    overrides = ["--model.distance=joint", "--model.variant.bones=false", "--trainer.precision=32-true"]
    cli = fit("synthetic", [*tiny(tmp_path, steps=2), *overrides])
    metrics = cli.trainer.callback_metrics
    # Poses are in metres and the whole future was recorded, so the loss is the reported error in body sizes.
    body = 1 / cli.datamodule.feature_scale[0, 0].item()
    millimetres = 1000 * body * metrics["val_prediction_loss"].item()
    assert millimetres == pytest.approx(metrics["val_mpjpe_mm"].item(), rel=1e-5)
    total = cli.model.loss.alpha * metrics["val_recognition_loss"]
    total += (1 - cli.model.loss.alpha) * metrics["val_prediction_loss"]
    assert metrics["val_loss"].item() == pytest.approx(total.item(), rel=1e-5)


@pytest.mark.parametrize("distance", ["l1", "joint"])
def test_unrecorded_joints_affect_neither_losses_nor_logged_errors(distance: str, tmp_path: Path) -> None:
    overrides = [
        f"--model.distance={distance}",
        f"--data.dataset={__name__}.Masked",
        "--data.val.num_clips=36",
        "--trainer.precision=32-true",
    ]
    cli = fit("synthetic", [*tiny(tmp_path, steps=2), *overrides])
    metrics = cli.trainer.callback_metrics
    assert all(math.isfinite(value) for value in metrics.values())
    assert all(weight.isfinite().all() for weight in cli.model.parameters())

    by_class = defaultdict(list)
    module = cli.model.eval()
    for clip in cli.datamodule.clips("val"):
        with torch.no_grad():
            predicted = module.model(clip.x.transpose(0, 1)[None]).future[0]
        for frame in range(9):
            joints = clip.future_mask[:, frame, 0]
            if joints.any():
                error = (predicted[frame] - clip.future[:, frame])[joints].norm(dim=-1)
                by_class[frame, int(clip.y)].append(1000 * float(error.mean()))
    # The last six clips contain only some classes, which have the same weight as others.
    assert sorted({len(errors) for errors in by_class.values()}) == [1, 2]
    means = {key: fmean(errors) for key, errors in by_class.items()}
    frames = {frame for frame, _ in means}
    by_frame = [fmean(mean for (frame, _), mean in means.items() if frame == each) for each in frames]
    assert len(by_frame) == 5
    # The validation at the end of the epoch used the weights after the last step.
    assert metrics["val_mpjpe_mm"].item() == pytest.approx(fmean(by_frame), rel=1e-4)
    every = [error for errors in by_class.values() for error in errors]
    assert len(every) == 12 * 5 + 6 * 3
    assert metrics["val_mpjpe_mm"].item() != pytest.approx(fmean(every), rel=1e-4)


def test_the_schedule_has_the_length_of_the_run(trained: RecipeCLI) -> None:
    # Two steps, the first of which is warm-up; after them, the rate is zero.
    assert trained.trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0)


def test_weighted_sampling_draws_clips_with_their_weights() -> None:
    cli = prepare("synthetic", [*TINY, "--data.weighted_sampling=true"])
    clips = cli.datamodule.clips("train")
    clips.sample_weights = (clips.labels == 4).double()
    labels = torch.cat([batch.y for batch in cli.datamodule.train_dataloader()])
    assert labels.tolist() == [4] * len(clips)


def test_data_with_a_skeleton_file_is_restored_without_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    skeleton = load_skeleton("jhmdb15")
    for label in "ab":
        poses = torch.randn(1, 70, skeleton.num_joints, skeleton.num_features)
        write_motion(
            Motion(poses=poses, skeleton=skeleton, frame_rate=30.0, label=label),
            tmp_path / "clips" / f"{label}.npz",
        )
    skeleton.save(tmp_path / "mine.json")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clips" / "clips.csv").write_text("file,split\na.npz,train\nb.npz,test\n")
    windows = [
        "--data.val.split=test",
        *(f"--data.{name}.window_stride=5" for name in ("train", "val", "test")),
    ]
    paths = ["--data.root=clips", "--data.settings.skeleton=mine.json", "--data.settings.validation=null"]
    sizes = ["--data.settings.num_observed=8", "--data.settings.num_future=9"]
    cli = fit(
        "motion_folder", [*TINY_MODEL, *TINY_TRAINER, *windows, *paths, *sizes, "--trainer.max_steps=1"]
    )
    saved = last_checkpoint(cli).absolute()
    monkeypatch.chdir("/")
    (tmp_path / "mine.json").unlink()
    clips = load_trained(saved).splits(tmp_path / "clips").clips("test")
    assert clips.skeleton == skeleton and clips.class_names == ("a", "b")


class Unregistered(MotionTransform):
    def forward(self, motion: Motion) -> Motion:
        return motion


@pytest.mark.parametrize("place", ["settings.preprocess", "train.augment"])
def test_a_transform_that_is_not_registered_is_reported_before_training(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_motion(random_motion("jhmdb15", num_frames=60).replace(label="a"), tmp_path / "clips" / "a.npz")
    (tmp_path / "clips" / "clips.csv").write_text("file,split\na.npz,train\n")
    splits = ["--data.settings.validation=null", "--data.val.split=train"]

    def step(*args: object) -> None:
        raise AssertionError("training has begun")

    monkeypatch.setattr(SybioModule, "training_step", step)
    transform = f'--data.{place}={{"class_path": "{__name__}.Unregistered"}}'
    with pytest.raises(
        ValueError, match=r"the transform .*\.Unregistered is not registered, so no model file"
    ):
        fit("motion_folder", [*two_steps(tmp_path / "clips", tmp_path), *TINY_TRAINER, *splits, transform])


def test_training_does_not_resume_from_the_checkpoint_of_another_model(
    trained: RecipeCLI, tmp_path: Path
) -> None:
    message = r"training cannot resume from this checkpoint: .*'bone_network\.actional_graph\..*found shape"
    content = torch.load(last_checkpoint(trained), weights_only=True)
    state = content["state_dict"]
    for key in [key for key in state if ".f_embedding." in key]:  # like a checkpoint of version 0.1
        state[key.replace("first", "0").replace("second", "2")] = state.pop(key)
    torch.save(content, tmp_path / "old.ckpt")
    with pytest.raises(ValueError, match=message):
        fit("synthetic", [*tiny(tmp_path, steps=4), f"--ckpt_path={tmp_path / 'old.ckpt'}"])


@pytest.mark.filterwarnings("ignore:The dirpath has changed", "ignore:`ModelCheckpoint.* could not find")
def test_a_training_with_muon_resumes_with_its_parameter_groups(tmp_path: Path) -> None:
    overrides = [
        "--model.optimizer=pyg_sybio.training.muon.Muon",
        "--model.variant.actional_channels=16",
        "--trainer.precision=32-true",
    ]
    whole = fit("synthetic", [*tiny(tmp_path / "whole", steps=4), *overrides])
    stopped = [*tiny(tmp_path / "stopped", steps=4), *overrides]
    fit("synthetic", [*stopped, "--trainer.max_epochs=1"])  # two steps
    resumed = fit("synthetic", [*stopped, "--ckpt_path=last"])
    for cli in (whole, resumed):
        assert cli.trainer.global_step == 4
        [optimizer] = cli.trainer.optimizers
        decays = [(group["weight_decay"], "momentum" in group) for group in optimizer.param_groups]
        assert len(decays) == len(set(decays)) == 4
        assert all(optimizer.state[weight] for group in optimizer.param_groups for weight in group["params"])
    [mine], [theirs] = resumed.trainer.optimizers, whole.trainer.optimizers
    assert len(mine.param_groups) == len(theirs.param_groups)
    for group, other in zip(mine.param_groups, theirs.param_groups, strict=True):
        assert [weight.shape for weight in group["params"]] == [weight.shape for weight in other["params"]]


def test_an_interrupted_run_is_not_marked_as_finished(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pyg_sybio.training.module.SybioModule.training_step", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fit("synthetic", tiny(tmp_path, steps=1))


def test_weights_with_nan_are_not_saved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    own = SybioModule.training_step

    def diverge(module: SybioModule, batch: Batch, batch_idx: int) -> dict[str, Any]:
        step = own(module, batch, batch_idx)
        return step | {"loss": step["loss"] * float("nan")} if module.global_step >= 3 else step

    monkeypatch.setattr(SybioModule, "training_step", diverge)
    with pytest.raises(FloatingPointError, match=r"training has diverged: after step 4 the model's '.*' and"):
        fit("synthetic", tiny(tmp_path, steps=4))  # two steps per epoch
    kept = load_trained(next(tmp_path.rglob("last.ckpt")))
    assert kept.training["global_step"] == 2
    assert all(weight.isfinite().all() for weight in kept.model.parameters())


def test_a_loss_that_is_not_a_number_stops_the_training_at_its_step(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own = SybioModule._forward

    def diverge(module: SybioModule, batch: Batch, stage: str, *, on_step: bool) -> Any:
        if stage == "train" and module.global_step == 3:
            torch.nn.init.constant_(next(module.model.parameters()), float("nan"))
        return own(module, batch, stage, on_step=on_step)

    monkeypatch.setattr(SybioModule, "_forward", diverge)
    message = r"training has diverged: the loss of step 4 is nan, .*; the last checkpoint is .*last\.ckpt;"
    with pytest.raises(FloatingPointError, match=message):
        fit("synthetic", tiny(tmp_path, steps=6))  # two steps per epoch
    assert load_trained(next(tmp_path.rglob("last.ckpt"))).training["global_step"] == 2


def test_training_in_bfloat16(tmp_path: Path) -> None:
    run = [*TINY, f"--trainer.default_root_dir={tmp_path}", "--trainer.max_epochs=1"]
    cli = fit("synthetic", [*run, "--trainer.precision=bf16-true"])
    assert {weight.dtype for weight in cli.model.model.parameters()} == {torch.bfloat16}
    assert cli.trainer.callback_metrics["val_loss"].isfinite()
    assert load_trained(last_checkpoint(cli)).model.num_classes == 12
