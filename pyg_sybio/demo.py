r"""A model trained, evaluated and drawn within minutes, without a download: ``sybio demo``."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch_geometric.data import Batch, Dataset

from pyg_sybio.data.motion import Motion
from pyg_sybio.files import write_whole
from pyg_sybio.models.sybio_gnn import SybioGNN
from pyg_sybio.trained.evaluation import Report, evaluate, format_report, write_report
from pyg_sybio.training.recipes import fit
from pyg_sybio.visualization.actional_figure import draw_actional
from pyg_sybio.visualization.forecast import Forecast
from pyg_sybio.visualization.motion_figure import draw_forecast

# One action of the arms and one of the whole body, so that their learned graphs can be told apart.
COMPARED = ("waving", "walking")
# An action that moves everything, so that a forecast has much to get right.
DRAWN = "jumping_jacks"


def run_demo(output: str | Path, *, seed: int = 0, overrides: Sequence[str] = ()) -> Report:
    r"""Train the ``synthetic`` recipe and show what came of it on clips that training has not seen.

    Writes into `output`: ``report.md`` and ``report.json`` (accuracy, and motion errors beside zero
    velocity), ``prediction.png`` (a clip's predicted motion over the true one), ``actional.png`` (the learned
    graphs of two actions, means over the clips of each), ``model`` (for
    :meth:`~pyg_sybio.models.SybioGNN.from_pretrained`) and ``training`` (checkpoints and logs).

    Args:
        output: Folder to write into; it is made.
        seed: Of the weights and of the clips.
        overrides: Settings of the recipe that differ, as for ``sybio fit``.

    Returns:
        The report.
    """
    output = Path(output)
    # Three data sets of their own for each seed; seed 0 is the recipe as it stands.
    seeds = [f"--seed_everything={seed}"]
    seeds += [f"--data.{split}.seed={3 * seed + i}" for i, split in enumerate(("train", "val", "test"))]
    cli = fit("synthetic", [*seeds, f"--trainer.default_root_dir={output / 'training'}", *overrides])
    model, clips = cli.model.model, cli.datamodule.clips("test")

    report = {"seed": seed} | evaluate(model, clips, seen_classes=cli.model.seen_classes)
    write_report(report, output / "report.json")
    write_whole(output / "report.md", lambda file: file.write(_markdown(report).encode()))
    _draw_clip(model, clips, output / "prediction.png")
    _draw_graphs(model, clips, output / "actional.png")
    model.save_pretrained(output / "model")

    print(format_report(report, by_class=False))
    print(f"\nreport, pictures and model: {output}")
    return report


def _markdown(report: Report) -> str:
    return (
        "# Recognition and prediction of synthetic motions\n\n"
        f"{format_report(report)}\n\n"
        "![predicted and true motion](prediction.png)\n\n![actional graphs](actional.png)\n"
    )


@torch.no_grad()
def _draw_clip(model: SybioGNN, clips: Dataset, path: Path) -> None:
    """The first clip of one action: predicted over true motion, with both class names."""
    label = clips.class_names.index(DRAWN)
    clip = next(clip for clip in clips if int(clip.y) == label)
    out = model(Batch.from_data_list([clip]))
    named = clips.class_names[int(out.logits.argmax())]
    observed, future = (motion.transpose(0, 1)[None] for motion in (clip.x, clip.future))  # frames first
    seen, came, predicted = (
        Motion(poses=poses, skeleton=clips.skeleton, frame_rate=clips.frame_rate)
        for poses in (observed, future, out.future)
    )
    draw_forecast(Forecast(seen, came, predicted, title=f"{DRAWN}, recognised as {named}"), path)


@torch.no_grad()
def _draw_graphs(model: SybioGNN, clips: Dataset, path: Path) -> None:
    """The mean actional graph of each compared action, over its first clip's last pose."""
    graphs: dict[str, Tensor] = {}
    poses: dict[str, Tensor] = {}
    for action in COMPARED:
        label = clips.class_names.index(action)
        batch = Batch.from_data_list([clip for clip in clips if int(clip.y) == label])
        graphs[action] = model(batch).actional.mean(0)
        poses[action] = batch[0].x[:, -1]
    draw_actional(
        clips.skeleton, graphs, path, poses=poses, title="Actional graphs, means of the clips of a class"
    )
