"""Recipes: bases, overrides, errors, and old names of settings."""

import contextlib
import io
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from tiny_recipe import TINY, tiny

from pyg_sybio.trained.load import load_trained
from pyg_sybio.training.recipes import RecipeError, fit, prepare, recipe_names, recipe_path, settings


def test_an_old_name_of_a_setting_is_translated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = tmp_path / "old.yaml"
    recipe.write_text(yaml.safe_dump({"base": "synthetic", "data": {"looks": {"mirror": "x"}}}))
    assert settings(str(recipe))["data"]["views"] == {"mirror": "x"}
    assert f"note: {recipe}: 'data.looks' is now 'data.views'" in capsys.readouterr().err
    assert yaml.safe_load(recipe.read_text())["data"] == {"looks": {"mirror": "x"}}

    based = tmp_path / "based.yaml"
    based.write_text(yaml.safe_dump({"base": str(recipe), "data": {"batch_size": 3}}))
    assert settings(str(based))["data"]["views"] == {"mirror": "x"}


@pytest.mark.parametrize("override", [["--data.looks", "{mirror: y}"], ["--data.looks={mirror: y}"]])
def test_an_old_name_in_an_override_is_translated(override: list[str]) -> None:
    data = prepare("synthetic", [*override, "--trainer.logger=false"]).datamodule
    assert data.views.mirror == "y"


def test_a_name_that_only_starts_with_an_old_name_is_kept() -> None:
    with pytest.raises(RecipeError, match="looksy"):
        prepare("synthetic", ["--data.looksy=1"])


def test_shipped_recipes_use_new_names(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("cmu_mocap", "nw_ucla"):
        assert settings(name)["data"]["views"]
        assert "looks:" not in recipe_path(name).read_text()
    assert not capsys.readouterr().err


def test_shipped_recipes_parse(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert {"cmu_mocap", "kinetics", "ntu_cross_subject", "ntu_cross_view", "nw_ucla", "synthetic"} <= set(
        recipe_names()
    )
    monkeypatch.setenv("PYG_SYBIO_DATA", str(tmp_path))
    for name in recipe_names():
        # Printing the settings parses all of them and stops before any data is read.
        with pytest.raises(SystemExit) as end:
            prepare(name, ["--print_config"])
        assert end.value.code == 0


@pytest.mark.parametrize("name", ["ntu_cross_subject", "ntu_cross_view", "kinetics"])
def test_recognition_recipes_match_the_paper(name: str) -> None:
    recipe = complete(name)
    model, data, trainer = recipe["model"], recipe["data"], recipe["trainer"]
    assert (model["preset"], model["variant"], model["alpha"]) == ("ntu", None, 0.9)
    assert (model["distance"], model["time_exponent"], model["label_smoothing"]) == ("l1", 0.0, 0.0)
    optimizer, schedule = model["optimizer"], model["lr_scheduler"]
    assert optimizer["class_path"] == "torch.optim.SGD"
    assert optimizer["init_args"]["lr"] == 0.1
    assert schedule["class_path"].endswith(".StepDecay")
    assert schedule["init_args"] == {"milestones": [0.3, 0.6, 0.9], "factor": 0.1}
    assert (data["batch_size"], data["settings"]["num_future"], data["views"]) == (64, 10, None)
    assert trainer["max_epochs"] == 100
    # These values are not given in the paper.
    assert optimizer["init_args"].items() >= {"momentum": 0.9, "nesterov": True, "weight_decay": 1e-4}.items()
    check_what_the_paper_leaves_open(recipe)


@pytest.mark.parametrize("name", ["cmu_mocap_paper", "human36m_paper"])
def test_prediction_recipes_match_the_paper(name: str) -> None:
    recipe = complete(name)
    model, data, trainer = recipe["model"], recipe["data"], recipe["trainer"]
    assert (model["preset"], model["variant"], model["alpha"]) == ("mocap", {}, 0.8)
    assert (model["distance"], model["time_exponent"], model["label_smoothing"]) == ("l1", 0.0, 0.0)
    optimizer, schedule = model["optimizer"], model["lr_scheduler"]
    assert optimizer["class_path"] == "torch.optim.Adam"
    assert optimizer["init_args"].items() >= {"lr": 1e-4, "weight_decay": 0.0}.items()
    assert schedule["class_path"].endswith(".StepDecay")
    assert schedule["init_args"]["milestones"] == []  # constant
    assert (data["batch_size"], data["views"], data["train"]) == (64, None, {"split": "train"})
    assert trainer["max_steps"] == 100_000
    check_what_the_paper_leaves_open(recipe)


def complete(name: str) -> dict[str, Any]:
    """The settings of a recipe, including the defaults."""
    with contextlib.redirect_stdout(io.StringIO()) as printed, pytest.raises(SystemExit):
        prepare(name, ["--print_config"])
    return dict(yaml.safe_load(printed.getvalue()))


def check_what_the_paper_leaves_open(recipe: dict[str, Any]) -> None:
    assert (recipe["trainer"]["gradient_clip_val"], recipe["trainer"]["precision"]) == (1.0, "auto")
    [checkpoint] = recipe["trainer"]["callbacks"]
    assert checkpoint["class_path"].endswith(".ModelCheckpoint")
    assert checkpoint["init_args"]["monitor"] == "val_loss"


def test_the_sizes_of_the_model_come_from_the_data() -> None:
    cli = prepare("synthetic", [*TINY, "--data.settings.skeleton=coco17"])
    assert cli.model.model.skeleton.name == "coco17"
    assert cli.model.model.num_future == 9
    assert cli.model.model.num_classes == len(cli.datamodule.clips("train").class_names)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("--trainer.max_epoch=3", "max_epoch.*did you mean trainer.max_epochs"),
        ("--model.presets=ntu", "model.presets.*did you mean model.preset"),
        ("--trainer.max_epochs=many", "trainer.max_epochs"),
    ],
)
def test_an_unknown_key_or_value_is_refused(override: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        prepare("synthetic", [override])


def test_an_unknown_key_in_a_file_is_refused(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(recipe_path("synthetic").read_text().replace("batch_size:", "batchsize:"))
    with pytest.raises(RecipeError, match=r"batchsize.*did you mean data\.batch_size"):
        prepare(str(recipe))


def test_an_unknown_argument_of_the_data_set_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'data\.train' has the unknown key 'clips': .* num_clips"):
        prepare("synthetic", ["--data.train.clips=3"])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("--data.train.num_clips=few", r"^'data\.train\.num_clips' is 'few', expected an integer$"),
        ("--model.variant.dropout=much", r"^'dropout' of the model is 'much', expected a number$"),
        ("--model.variant.hop=1", r"^the model has no 'hop' \(did you mean 'hops'\?\)$"),
    ],
)
def test_a_setting_of_the_wrong_type_is_named(override: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        prepare("synthetic", [override])


def test_a_missing_checkpoint_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no last\.ckpt below"):
        fit("synthetic", [*tiny(tmp_path, steps=1), "--ckpt_path=last"])


def test_a_recipe_overrides_its_base_and_an_override_overrides_both(tmp_path: Path) -> None:
    first, second, third = (tmp_path / f"{name}.yaml" for name in ("first", "second", "third"))
    first.write_text("base: synthetic\nmodel: {alpha: 0.7}\ndata: {batch_size: 5}\n")
    second.write_text(f"base: {first}\ndata: {{batch_size: 6, train: {{num_clips: 36}}}}\n")
    config = prepare(str(second), [*TINY[1:], "--data.batch_size=7"]).config
    assert config.model.alpha == 0.7
    assert config.data.batch_size == 7
    assert config.data.train["num_clips"] == 36
    assert config.model.preset == prepare("synthetic", TINY).config.model.preset

    third.write_text(f"base: {third}\n")
    with pytest.raises(RecipeError, match=r"'base' is .* which is based on this recipe"):
        prepare(str(third))
    third.write_text("base: nothing\n")
    with pytest.raises(FileNotFoundError, match="no recipe 'nothing'"):
        prepare(str(third))
    third.write_text("base: [\n")
    with pytest.raises(RecipeError, match=r"third\.yaml is not YAML"):
        prepare(str(third))


def test_a_recipe_can_fine_tune_a_trained_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = fit("synthetic", tiny(tmp_path / "first", steps=2))
    checkpoint = Path(first.trainer.log_dir) / "checkpoints" / "last.ckpt"
    recipe = tmp_path / "tune.yaml"
    recipe.write_text(f"base: synthetic\ninit_from: {checkpoint}\nfreeze: backbone\n")
    second = fit(str(recipe), [*tiny(tmp_path / "second", steps=2), "--model.preset=ntu"])

    shown = capsys.readouterr().err
    total = len(first.model.model.state_dict())
    assert f"fine-tuning: {total} of {total} tensors are taken from the trained model" in shown
    assert "recordings are prepared differently" not in shown
    old, new = first.model.model.state_dict(), second.model.model.state_dict()
    changed = [name for name, weight in new.items() if not torch.equal(weight, old[name])]
    assert changed
    assert all("_head." in name for name in changed)

    saved = load_trained(Path(second.trainer.log_dir) / "checkpoints" / "last.ckpt")
    torch.testing.assert_close(saved.model.state_dict(), new)
    # A resumed fine-tuning run keeps its frozen modules.
    resumed = fit(
        str(recipe), [*tiny(tmp_path / "second", steps=3), "--ckpt_path=last", "--trainer.max_epochs=9"]
    )
    backbone, kept = first.model.model.joint_network.backbone, resumed.model.model.joint_network.backbone
    torch.testing.assert_close(kept.state_dict(), backbone.state_dict())


def test_freezing_without_a_trained_model_is_an_error() -> None:
    with pytest.raises(ValueError, match="'freeze' is 'backbone', expected it only with 'init_from'"):
        prepare("synthetic", [*TINY, "--freeze=backbone"])
