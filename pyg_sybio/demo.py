r"""``sybio demo``: train, evaluate and visualise a model within minutes, without a download."""

from collections.abc import Sequence
from pathlib import Path

from torch_geometric.data import Dataset

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.motion_file import write_motion
from pyg_sybio.files import write_json, write_text
from pyg_sybio.trained.actional import actional_graphs
from pyg_sybio.trained.evaluation import Report
from pyg_sybio.trained.report import format_report
from pyg_sybio.trained.trained import Trained
from pyg_sybio.training.recipes import fit
from pyg_sybio.visualization.actional_figure import draw_actional
from pyg_sybio.visualization.model_forecast import forecast_clip
from pyg_sybio.visualization.motion_figure import draw_forecast

# One action of the arms and one of the whole body, so that their learned graphs differ visibly.
COMPARED = ("waving", "walking")
# An action that moves everything, so that its forecast is hard.
DRAWN = "jumping_jacks"


def run_demo(output: str | Path, *, seed: int = 0, overrides: Sequence[str] = ()) -> Report:
    r"""Train the ``synthetic`` recipe and show the result on clips that training has not seen.

    Writes into `output`: ``report.md`` and ``report.json`` (accuracy, and motion errors next to zero
    velocity), ``prediction.png`` (a clip's predicted motion over the true one), ``actional.png`` (the learned
    graphs of two actions, means over the clips of each), ``model`` (for
    :func:`~pyg_sybio.trained.load.load_trained` and every command that takes a model), ``clip.npz`` (the
    start of a test clip, to predict) and ``training`` (checkpoints and logs).

    Args:
        output: Folder to write into; it is created.
        seed: The seed of the weights and of the clips.
        overrides: Settings that override the recipe, as for ``sybio fit``.

    Returns:
        The report.
    """
    output = Path(output)
    # Three data sets for each seed; seed 0 is the recipe as it is.
    seeds = [f"--seed_everything={seed}"]
    seeds += [f"--data.{split}.seed={3 * seed + i}" for i, split in enumerate(("train", "val", "test"))]
    cli = fit("synthetic", [*seeds, f"--trainer.default_root_dir={output / 'training'}", *overrides])
    trained, clips = cli.model.cpu().eval().trained(), cli.datamodule.clips("test")

    report = {"seed": seed, "split": "test"} | trained.evaluate(clips)
    write_json(output / "report.json", report)
    write_text(output / "report.md", _markdown(report))
    number = clips.labels.tolist().index(clips.class_names.index(DRAWN))
    draw_forecast(forecast_clip(trained, clips, number), output / "prediction.png")
    _draw_graphs(trained, clips, output / "actional.png")
    trained.save(output / "model", report=report, title="Synthetic motions")
    x = clips[number].x.transpose(0, 1)[None]
    write_motion(Motion(poses=x, skeleton=clips.skeleton, frame_rate=clips.frame_rate), output / "clip.npz")

    print(format_report(report, by_class=False))
    print(f"\nreport, pictures and model: {output}")
    print(f"try: sybio predict {output / 'model'} {output / 'clip.npz'}")
    return report


def _markdown(report: Report) -> str:
    return (
        "# Recognition and prediction of synthetic motions\n\n"
        f"{format_report(report)}\n\n"
        "![predicted and true motion](prediction.png)\n\n![actional graphs](actional.png)\n"
    )


def _draw_graphs(trained: Trained, clips: Dataset, path: Path) -> None:
    """The mean actional graph of each compared action, over its first clip's last pose."""
    found = actional_graphs(trained.on_device(), clips)
    compared = {action: found.of_class(clips.class_names.index(action)) for action in COMPARED}
    draw_actional(
        clips.skeleton,
        {action: each.graphs.mean(0) for action, each in compared.items()},
        path,
        poses={action: each.poses[0] for action, each in compared.items()},
        title="Actional graphs, means of the clips of a class",
    )
