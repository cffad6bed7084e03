r"""All experiments: the models that each experiment trains, its measures, and the layout of its results.

An arm is one trained variant of the model. Its settings override the recipe and the command line. Arms with
the same settings in different experiments, such as ``full``, share one training run.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from importlib import resources
from typing import Any

import yaml

from pyg_sybio.experiments import graph_measures, measures
from pyg_sybio.experiments.experiment import Arm, Experiment, Measure
from pyg_sybio.experiments.layouts import (
    ActionTable,
    ArmTable,
    Column,
    ConfusionTable,
    CurveTable,
    ReliabilityTable,
)
from pyg_sybio.experiments.rows import (
    MEAN_OF_CLASSES,
    MOTION_ERROR,
    OBSERVATION,
    OBSERVED_RATIO,
    OF_ZERO_VELOCITY,
    POSITION_ERROR,
)
from pyg_sybio.models.presets import VARIANTS

PAPER: Mapping[str, Any] = yaml.safe_load(
    (resources.files("pyg_sybio.experiments") / "paper.yaml").read_text(encoding="utf-8")
)
"""Numbers from the tables of the paper, and texts for captions."""


def _variant(name: str, **settings: object) -> Arm:
    """An arm that changes arguments of the model; without `settings`, it is the model variant `name`."""
    settings = settings or dict(VARIANTS[name])
    pairs = ((f"--model.variant.{key}", str(value).lower()) for key, value in settings.items())
    return Arm(name, tuple(word for pair in pairs for word in pair))


FULL = Arm("full")
ONLY_STRUCTURAL, ONLY_ACTIONAL, ONLY_PARTS = map(_variant, ("only structural", "only actional", "only parts"))
NO_BONES, NO_PREDICTION, NO_RECOGNITION = map(_variant, ("no bones", "no prediction", "no recognition"))
ONLY_JOINTS = _variant("only joints", parts=False)

HOPS = (1, 2, 3, 4)
ACTIONAL_WEIGHTS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)

SHORT_ERROR = Column("mean error to 400 ms", MOTION_ERROR, group=MEAN_OF_CLASSES, until=400)


def _fold(name: str, protocol: str, setting: str, tested: tuple[str, ...]) -> Arm:
    """An arm that tests on some views or subjects, and trains on all others with 5 % held out for
    validation.
    """
    settings = {"protocol": protocol, setting: json.dumps(tested), "validation": "0.05"}
    words = ((f"--data.settings.{key}", value) for key, value in settings.items())
    return Arm(name, tuple(word for pair in words for word in pair))


def _observing(name: str, num_future: str, *without: str) -> Arm:
    """An arm that is trained on random segments of clips and leaves at least ten frames for the future."""
    train = ("--data.train.observation_ratio", "[0.1, 1.0]", "--data.settings.reserved", "10")
    return Arm(name, (*train, "--data.settings.num_future", num_future, *without))


def _shuffled(percent: int) -> Arm:
    return Arm(f"{percent} %", ("--data.shuffled_futures", str(percent / 100)))


def _percent(title: str, metric: str, published: Mapping[str, Any] | None = None, group: str = "") -> Column:
    return Column(title, metric, group, scale=100, digits=1, paper=published or {})


def _top1(published: Mapping[str, Any] | None = None) -> Column:
    return _percent("top-1, %", "top1", published)


def _corruption(name: str, title: str, measure: Measure, x_label: str, *groups: str) -> Experiment:
    """An experiment that measures the full model at several strengths of a corruption."""
    baselines = {"zero velocity": MOTION_ERROR + OF_ZERO_VELOCITY}
    curves = []
    for group in groups:
        which = f", {group}" if len(groups) > 1 else ""
        curves.append(_percent(f"top-1, %{which}", "top1", group=group))
        curves.append(Column(f"mean error to 400 ms{which}", MOTION_ERROR, group, baselines=baselines))
    layout = CurveTable(x_label, tuple(curves))
    return Experiment(name, title, arms=(FULL,), measures=(measure,), layout=layout)


# Experiments in the order of the paper, followed by experiments that are not in the paper.
_ALL = (
    Experiment(
        name="variants",
        title="Ablation of the components of the model",
        needs=("classes",),
        arms=(FULL, ONLY_STRUCTURAL, ONLY_ACTIONAL, ONLY_PARTS, ONLY_JOINTS, NO_BONES, NO_PREDICTION),
        measures=(measures.recognition, measures.cost),
        layout=ArmTable(
            (
                _top1(PAPER["variants_top1"]),
                _percent("top-5, %", "top5", PAPER["variants_top5"]),
                Column(
                    "parameters, M", "parameters", scale=1e-6, digits=2, paper=PAPER["variants_parameters"]
                ),
                Column("ms per clip", "ms_per_clip", digits=1, paper=PAPER["variants_milliseconds"]),
            )
        ),
    ),
    Experiment(
        name="errors",
        title="Motion errors by action and horizon",
        arms=(FULL, NO_RECOGNITION, ONLY_ACTIONAL, ONLY_STRUCTURAL),
        measures=(measures.motion,),
        layout=ActionTable((MOTION_ERROR, POSITION_ERROR), paper=PAPER["errors"]),
    ),
    Experiment(
        name="tasks",
        title="Multi-task training compared with single tasks",
        needs=("classes",),
        arms=(FULL, NO_PREDICTION, NO_RECOGNITION),
        measures=(measures.recognition, measures.motion, graph_measures.task_gradients),
        layout=ArmTable(
            (
                _top1(
                    {name: top1 for name, top1 in PAPER["variants_top1"].items() if name.startswith("NTU")}
                ),
                _percent("gradient of prediction / recognition in the backbone, %", "prediction_gradient"),
                *(
                    Column(f"error at {ms} ms", MOTION_ERROR, MEAN_OF_CLASSES, at=ms, paper=published)
                    for ms, published in PAPER["average_errors"].items()
                ),
            )
        ),
    ),
    Experiment(
        name="noisy_targets",
        title="Recognition with shuffled prediction targets",
        needs=("classes",),
        arms=(*map(_shuffled, (0, 10, 20, 50, 70, 100)), NO_PREDICTION),
        measures=(measures.recognition,),
        layout=ArmTable((_top1(PAPER["noisy_targets"]),)),
    ),
    Experiment(
        name="hops",
        title="Hops of the structural graphs",
        needs=("classes",),
        arms=(
            *(_variant(f"only structural, Γ = {n}", hops=n, **VARIANTS["only structural"]) for n in HOPS),
            ONLY_ACTIONAL,
            ONLY_PARTS,
            *(_variant(f"full, Γ = {n}", hops=n) for n in HOPS),
        ),
        measures=(measures.recognition,),
        layout=ArmTable(
            (_top1(PAPER["hops"]),),
            lines=(
                "hops Γ",
                {name: {f"{name}, Γ = {n}": n for n in HOPS} for name in ("only structural", "full")},
            ),
        ),
    ),
    Experiment(
        name="networks",
        title="Joint network, bone network, both",
        needs=("classes",),
        arms=(
            _variant("only joints", joints=True, bones=False),
            _variant("only bones", joints=False, bones=True),
            _variant("both", joints=True, bones=True),
        ),
        measures=(measures.recognition,),
        layout=ArmTable((_top1(PAPER["networks"]),)),
    ),
    Experiment(
        name="pck",
        title="Correct keypoints by predicted frame",
        needs=("positions",),
        arms=(FULL, NO_RECOGNITION),
        measures=(measures.pck,),
        layout=CurveTable(
            "predicted frame",
            (
                Column(
                    "PCK@0.05, %",
                    "pck",
                    scale=100,
                    digits=1,
                    baselines={"zero velocity": f"pck{OF_ZERO_VELOCITY}"},
                ),
            ),
        ),
    ),
    Experiment(
        name="iterations",
        title="Error and speed by the iterations K of the actional graphs",
        arms=tuple(_variant(f"K = {k}", actional_iterations=k) for k in range(5)),
        measures=(measures.motion, measures.cost),
        layout=ArmTable(
            (Column("frames in 20 ms", "frames_per_20ms", digits=2), SHORT_ERROR), scatter=(0, 1)
        ),
    ),
    Experiment(
        name=OBSERVATION,
        title="Recognition of partly observed clips",
        needs=("classes",),
        arms=(
            _observing("no prediction", "10", *NO_PREDICTION.overrides),
            _observing("10 frames", "10"),
            _observing("all frames", "{num_frames}"),
        ),
        measures=(measures.observation_ratios,),
        layout=CurveTable(OBSERVED_RATIO, (_top1(),)),
    ),
    Experiment(
        name="actional_weight",
        title="Weight λ of the actional graphs",
        arms=tuple(_variant(f"λ = {weight}", actional_weight=weight) for weight in ACTIONAL_WEIGHTS),
        measures=(measures.recognition, measures.motion),
        layout=ArmTable(
            (_top1(), SHORT_ERROR),
            lines=("λ", {"ours": {f"λ = {weight}": weight for weight in ACTIONAL_WEIGHTS}}),
        ),
    ),
    _corruption(
        "noise",
        "Noise on the input",
        measures.noise,
        "standard deviation σ of the noise (m; z-scores of joint angles)",
        "noise",
    ),
    _corruption(
        "missing_joints",
        "Missing joints",
        measures.missing_joints,
        "fraction of missing joints in the observed frames",
        "missing joints",
    ),
    _corruption(
        "dropped_frames",
        "Dropped frames",
        measures.dropped_frames,
        "fraction of missing frames in the observed frames",
        "dropped frames",
    ),
    _corruption(
        "frame_rates",
        "Input at another frame rate",
        measures.frame_rates,
        "frame rate, relative to training",
        "as it comes",
        "resampled",
    ),
    Experiment(
        name="actional_graph",
        title="Source of the actional graphs",
        arms=(
            FULL,
            _variant("AGIM, affinities not scaled", actional_scale=1.0),
            *(_variant(f"AGIM, K = {k}", actional_iterations=k) for k in (0, 2)),
            _variant("one learned graph for all clips", actional_graphs="shared"),
            _variant("1/M", actional_graphs="uniform"),
            _variant("no actional graphs", actional=False),
        ),
        measures=(measures.recognition, measures.motion, graph_measures.graphs),
        layout=ArmTable(
            (
                _top1(),
                _percent("top-1 with 1/M, %", "top1" + graph_measures.WITH_UNIFORM_GRAPHS),
                SHORT_ERROR,
                replace(
                    SHORT_ERROR,
                    title=SHORT_ERROR.title + graph_measures.WITH_UNIFORM_GRAPHS,
                    metric=MOTION_ERROR + graph_measures.WITH_UNIFORM_GRAPHS,
                ),
                *(
                    Column(f"row distance, {network}", "row_distance", network, digits=3)
                    for network in ("joints", "bones")
                ),
                _percent("nearest-graph accuracy, %", "nearest_graph"),
            )
        ),
    ),
    Experiment(
        name="calibration",
        title="Calibration of the probabilities",
        needs=("classes",),
        arms=(FULL,),
        measures=(measures.calibration,),
        layout=ReliabilityTable(
            (
                Column("expected calibration error", "ece"),
                Column("negative log-likelihood", "nll"),
                Column("Brier score", "brier"),
            )
        ),
    ),
    Experiment(
        name="confusion",
        title="Confusion of classes",
        needs=("classes",),
        arms=(FULL,),
        measures=(measures.confusion,),
        layout=ConfusionTable(),
    ),
    Experiment(
        name="folds",
        title="Cross-validation over views and subjects",
        needs=("classes",),
        arms=(
            _fold("view 1 to the others", "cross-view", "test_views", ("2", "3")),
            _fold("view 2 to the others", "cross-view", "test_views", ("1", "3")),
            *(
                _fold(f"to subjects {a} and {b}", "cross-subject", "test_subjects", (a, b))
                for a, b in ("12", "34", "56", "78", ("9", "10"))
            ),
        ),
        measures=(measures.recognition,),
        layout=ArmTable((_top1(),)),
    ),
)

EXPERIMENTS = {each.name: replace(each, **PAPER["captions"].get(each.name, {})) for each in _ALL}
"""The experiments by name."""
