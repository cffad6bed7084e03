r"""All experiments: what each trains, measures and shows. An experiment is a few lines of this file.

Every arm's settings come on top of the recipe's and of those given on the command line. Arms that say the
same in different experiments, as ``full`` does everywhere, are one run and are trained once.
"""

import json

from pyg_sybio.experiments import measures, paper
from pyg_sybio.experiments.experiment import Arm, Experiment
from pyg_sybio.experiments.layouts import (
    ActionTable,
    ArmTable,
    Column,
    ConfusionTable,
    Curve,
    CurveTable,
    PaperColumn,
    ReliabilityTable,
)
from pyg_sybio.experiments.names import (
    MEAN_OF_CLASSES,
    MOTION_ERROR,
    OBSERVATION,
    OBSERVED_SHARE,
    OF_ZERO_VELOCITY,
)
from pyg_sybio.models.presets import VARIANTS


def _variant(name: str, **settings: object) -> Arm:
    """An arm that changes arguments of the model."""
    pairs = ((f"--model.variant.{key}", str(value).lower()) for key, value in settings.items())
    return Arm(name, tuple(word for pair in pairs for word in pair))


FULL = Arm("full")
ONLY_STRUCTURAL, ONLY_ACTIONAL, ONLY_PARTS, NO_BONES, NO_PREDICTION, NO_RECOGNITION = (
    _variant(name, **VARIANTS[name])
    for name in (
        "only structural",
        "only actional",
        "only parts",
        "no bones",
        "no prediction",
        "no recognition",
    )
)
ONLY_JOINTS = _variant("only joints", parts=False)

ACTIONAL_WEIGHTS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)

SHORT_ERROR = Column("mean error to 400 ms", MOTION_ERROR, group=MEAN_OF_CLASSES, until=400)


def _fold(name: str, protocol: str, setting: str, tested: tuple[str, ...]) -> Arm:
    """An arm that tests on some views or subjects and trains on all others, but a twentieth of the clips."""
    settings = {"protocol": protocol, setting: json.dumps(tested), "validation": "0.05"}
    return Arm(
        name, tuple(word for key, value in settings.items() for word in (f"--data.settings.{key}", value))
    )


def _top1(published: PaperColumn | None = None) -> Column:
    return Column("top-1, %", "top1", scale=100, digits=1, paper=published or {})


def _under(corruption: str) -> tuple[Curve, Curve]:
    """Accuracy and error over the strengths of a corruption."""
    return (
        Curve(f"top-1, %, {corruption}", "top1", corruption, scale=100, digits=1),
        Curve(
            f"mean error to 400 ms, {corruption}",
            MOTION_ERROR,
            corruption,
            beside={"zero velocity": MOTION_ERROR + OF_ZERO_VELOCITY},
        ),
    )


def _all(*experiments: Experiment) -> dict[str, Experiment]:
    return {experiment.name: experiment for experiment in experiments}


# In the paper's order, then what the paper lacks.
EXPERIMENTS = _all(
    Experiment(
        name="variants",
        title="What each part of the model is worth",
        paper="Tables 1, 2 and 3",
        needs=("classes",),
        arms=(FULL, ONLY_STRUCTURAL, ONLY_ACTIONAL, ONLY_PARTS, ONLY_JOINTS, NO_BONES, NO_PREDICTION),
        measures=(measures.recognition, measures.cost),
        layout=ArmTable(
            columns=(
                _top1(paper.VARIANTS_TOP1),
                Column("top-5, %", "top5", scale=100, digits=1, paper=paper.VARIANTS_TOP5),
                Column("parameters, M", "parameters", scale=1e-6, digits=2, paper=paper.VARIANTS_PARAMETERS),
                Column("ms a clip", "ms_per_clip", digits=1, paper=paper.VARIANTS_MILLISECONDS),
            )
        ),
    ),
    Experiment(
        name="errors",
        title="Motion errors by action and horizon",
        paper="Tables 4 to 7",
        arms=(FULL, NO_RECOGNITION, ONLY_ACTIONAL, ONLY_STRUCTURAL),
        measures=(measures.motion,),
        layout=ActionTable(MOTION_ERROR, paper=paper.ERRORS),
    ),
    Experiment(
        name="tasks",
        title="What each task does for the other",
        paper="Tables 1 and 5",
        needs=("classes",),
        arms=(FULL, NO_PREDICTION, NO_RECOGNITION),
        measures=(measures.recognition, measures.motion),
        layout=ArmTable(
            columns=(
                _top1(paper.TASKS_TOP1),
                *(
                    Column(
                        f"error at {ms} ms",
                        MOTION_ERROR,
                        group=MEAN_OF_CLASSES,
                        at=ms,
                        paper=published,
                    )
                    for ms, published in paper.AVERAGE_ERRORS.items()
                ),
            )
        ),
    ),
    Experiment(
        name="noisy_targets",
        title="Recognition with shuffled prediction targets",
        paper="Table 8",
        needs=("classes",),
        arms=(
            *(
                Arm(f"{percent} %", ("--data.shuffled_futures", str(percent / 100)))
                for percent in (0, 10, 20, 50, 70, 100)
            ),
            NO_PREDICTION,
        ),
        measures=(measures.recognition,),
        layout=ArmTable(columns=(_top1(paper.NOISY_TARGETS),)),
        note="That share of the training clips have the future of another clip as their target.",
    ),
    Experiment(
        name="hops",
        title="Hops of the structural graphs",
        paper="Table 9",
        needs=("classes",),
        arms=(
            *(
                _variant(f"only structural, Γ = {hops}", hops=hops, **VARIANTS["only structural"])
                for hops in (1, 2, 3, 4)
            ),
            ONLY_ACTIONAL,
            ONLY_PARTS,
            *(_variant(f"full, Γ = {hops}", hops=hops) for hops in (1, 2, 3, 4)),
        ),
        measures=(measures.recognition,),
        layout=ArmTable(
            columns=(_top1(paper.HOPS),),
            lines=(
                "hops Γ",
                {
                    name: {f"{name}, Γ = {hops}": hops for hops in (1, 2, 3, 4)}
                    for name in ("only structural", "full")
                },
            ),
        ),
        note="The paper's own accuracy with parts alone is 87.3 % here and 86.5 % in its Table 1.",
    ),
    Experiment(
        name="networks",
        title="Joint network, bone network, both",
        paper="Table 10",
        needs=("classes",),
        arms=(
            _variant("only joints", joints=True, bones=False),
            _variant("only bones", joints=False, bones=True),
            _variant("both", joints=True, bones=True),
        ),
        measures=(measures.recognition,),
        layout=ArmTable(columns=(_top1(paper.NETWORKS),)),
    ),
    Experiment(
        name="pck",
        title="Correct keypoints by predicted frame",
        paper="Figure 8",
        needs=("positions",),
        arms=(FULL, NO_RECOGNITION),
        measures=(measures.pck,),
        layout=CurveTable(
            "predicted frame",
            (
                Curve(
                    "PCK@0.05, %",
                    "pck",
                    scale=100,
                    digits=1,
                    beside={"zero velocity": f"pck{OF_ZERO_VELOCITY}"},
                ),
            ),
        ),
        note="The paper shows this as a picture (NTU RGB+D, ten frames): recognition helps, most in the last "
        "frames.",
    ),
    Experiment(
        name="iterations",
        title="Iterations K of the actional graphs, against error and speed",
        paper="Figure 9",
        arms=tuple(_variant(f"K = {k}", actional_iterations=k) for k in (0, 1, 2, 3, 4)),
        measures=(measures.motion, measures.cost),
        layout=ArmTable(
            columns=(
                Column("frames in 20 ms", "frames_per_20ms", digits=2),
                SHORT_ERROR,
            ),
            scatter=(0, 1),
        ),
        note="The paper shows this as a picture (Human3.6M): with more iterations the error falls, and so "
        "does the speed.",
    ),
    Experiment(
        name=OBSERVATION,
        title="Recognition of what has been seen only in part",
        paper="Figure 10",
        needs=("classes",),
        arms=tuple(
            Arm(
                name,
                (
                    *("--data.train.observation_ratio", "[0.1, 1.0]", "--data.settings.reserved", "10"),
                    *("--data.settings.num_future", num_future, *NO_PREDICTION.overrides[: 2 * off]),
                ),
            )
            for name, num_future, off in (
                ("no prediction", "10", True),
                ("10 frames", "10", False),
                ("all frames", "{num_observed}", False),
            )
        ),
        measures=(measures.observation_ratios,),
        layout=CurveTable(OBSERVED_SHARE, (Curve("top-1, %", "top1", scale=100, digits=1),)),
        note="All models are trained on random shares of 0.1 to 1. The paper shows this as a picture (NTU "
        "RGB+D): where little is seen, predicting all frames is best; both are better than no prediction.",
    ),
    Experiment(
        name="actional_weight",
        title="Weight λ of the actional graphs",
        paper="Figure 11",
        arms=tuple(_variant(f"λ = {weight}", actional_weight=weight) for weight in ACTIONAL_WEIGHTS),
        measures=(measures.recognition, measures.motion),
        layout=ArmTable(
            columns=(_top1(), SHORT_ERROR),
            lines=("λ", {"ours": {f"λ = {weight}": weight for weight in ACTIONAL_WEIGHTS}}),
        ),
        note="The paper shows this as a picture: accuracy on NTU RGB+D cross-subject is highest at λ = 0.5, "
        "errors on Human3.6M stay about 0.615 and are lowest at 0.9 and 1.",
    ),
    Experiment(
        name="noise",
        title="Noise on the input",
        paper="Figure 15",
        arms=(FULL,),
        measures=(measures.noise,),
        layout=CurveTable("deviation σ of the noise", _under("noise")),
        note="The paper shows this as a picture: accuracy on NTU RGB+D cross-subject stays high up to "
        "σ = 0.04, errors on Human3.6M low below 0.03.",
    ),
    Experiment(
        name="missing_joints",
        title="Joints that are not seen",
        paper="",
        arms=(FULL,),
        measures=(measures.missing_joints,),
        layout=CurveTable("share of the observed joints that are missing", _under("missing joints")),
    ),
    Experiment(
        name="dropped_frames",
        title="Frames that are not seen",
        paper="",
        arms=(FULL,),
        measures=(measures.dropped_frames,),
        layout=CurveTable("share of the observed frames that are missing", _under("dropped frames")),
    ),
    Experiment(
        name="frame_rates",
        title="Input at another frame rate",
        paper="",
        arms=(FULL,),
        measures=(measures.frame_rates,),
        layout=CurveTable(
            "frame rate, times that of training", (*_under("as it comes"), *_under("resampled"))
        ),
        note="'as it comes': the frames are taken for frames at training's rate; 'resampled': they are "
        "brought to it.",
    ),
    Experiment(
        name="calibration",
        title="How far the probabilities are to be believed",
        paper="",
        needs=("classes",),
        arms=(FULL,),
        measures=(measures.calibration,),
        layout=ReliabilityTable(
            columns=(
                Column("expected calibration error", "ece"),
                Column("negative log-likelihood", "nll"),
                Column("Brier score", "brier"),
            )
        ),
    ),
    Experiment(
        name="confusion",
        title="Which classes are taken for which",
        paper="",
        needs=("classes",),
        arms=(FULL,),
        measures=(measures.confusion,),
        layout=ConfusionTable(),
    ),
    Experiment(
        name="folds",
        title="Other views, other subjects: each in turn",
        paper="",
        needs=("classes",),
        arms=(
            *(
                _fold(f"view {view} to the others", "cross-view", "test_views", others)
                for view, others in (("1", ("2", "3")), ("2", ("1", "3")))
            ),
            *(
                _fold(f"to subjects {pair[0]} and {pair[1]}", "cross-subject", "test_subjects", pair)
                for pair in (("1", "2"), ("3", "4"), ("5", "6"), ("7", "8"), ("9", "10"))
            ),
        ),
        measures=(measures.recognition,),
        layout=ArmTable(columns=(_top1(),)),
        note="For Northwestern-UCLA. Each model is tested on what its training had nothing of; 'the others' "
        "are the views whose files are there.",
    ),
)
