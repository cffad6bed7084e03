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

# An action of the arms and an action of the whole body, whose learned graphs differ visibly.
COMPARED = ("waving", "walking")
# An action of the whole body, whose forecast is difficult.
DRAWN = "jumping_jacks"


def run_demo(output: str | Path, *, seed: int = 0, overrides: Sequence[str] = ()) -> Report:
    r"""Train the ``synthetic`` recipe and evaluate the model on test clips.

    Writes into `output`: ``report.md`` and ``report.json`` (accuracy, and motion errors compared with zero
    velocity), ``prediction.png`` (the predicted motion of a clip over the true one), ``actional.png`` (the
    mean actional graphs of two actions), ``model`` (for :func:`~pyg_sybio.trained.load.load_trained` and all
    commands that take a model), ``clip.npz`` (the observed frames of a test clip, as an input for ``sybio
    predict``) and ``training`` (checkpoints and logs).

    Args:
        output: Folder to write into; it is created.
        seed: Random seed of the weights and of the clips.
        overrides: Settings that override the recipe, as for ``sybio fit``.

    Returns:
        The report.
    """
    output = Path(output)
    # Each seed has its own three data sets; seed 0 gives the recipe unchanged.
    seeds = [f"--seed_everything={seed}"]
    seeds += [f"--data.{split}.seed={3 * seed + i}" for i, split in enumerate(("train", "val", "test"))]
    cli = fit("synthetic", [*seeds, f"--trainer.default_root_dir={output / 'training'}", *overrides])
    trained, clips = cli.model.cpu().eval().trained(), cli.datamodule.clips("test")

    report = {"seed": seed, "split": "test"} | trained.evaluate(clips)
    write_json(output / "report.json", report)
    pictures = "![predicted and true motion](prediction.png)\n\n![actional graphs](actional.png)\n"
    title = "# Recognition and prediction of synthetic motions"
    write_text(output / "report.md", f"{title}\n\n{format_report(report)}\n\n{pictures}")
    number = clips.labels.tolist().index(clips.class_names.index(DRAWN))
    forecast = forecast_clip(trained, clips, number)
    compared = {"zero velocity": forecast.zero_velocity()}
    draw_forecast(forecast, output / "prediction.png", others=compared)
    _draw_graphs(trained, clips, output / "actional.png")
    trained.save(output / "model", report=report, title="Synthetic motions")
    x = clips[number].x.transpose(0, 1)[None]
    write_motion(Motion(poses=x, skeleton=clips.skeleton, frame_rate=clips.frame_rate), output / "clip.npz")

    print(format_report(report, by_class=False))
    print(f"\nreport, pictures and model: {output}")
    print(f"try: sybio predict {output / 'model'} {output / 'clip.npz'}")
    return report


def _draw_graphs(trained: Trained, clips: Dataset, path: Path) -> None:
    """Draw the mean actional graph of each compared action on the last pose of its first clip."""
    found = actional_graphs(trained.on_device(), clips)
    compared = {action: found.of_class(clips.class_names.index(action)) for action in COMPARED}
    draw_actional(
        clips.skeleton,
        {action: each.graphs.mean(0) for action, each in compared.items()},
        path,
        poses={action: each.poses[0] for action, each in compared.items()},
        title="Actional graphs of two actions: mean over their test clips, on the last pose of one clip",
    )
