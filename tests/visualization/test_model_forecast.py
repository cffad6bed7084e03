"""The forecast of a clip is drawn without the joints that were not observed."""

import torch
from live_models import small_checkpoint
from memory_store import Store

from pyg_sybio.data.datasets.motion_dataset import MotionDataset
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms import Center, FillMissing
from pyg_sybio.data.transforms.base import hide
from pyg_sybio.models.sybio_gnn import SybioGNN
from pyg_sybio.skeleton import load_skeleton
from pyg_sybio.visualization.model_forecast import forecast_clip

NTU = load_skeleton("ntu25")


def test_joints_that_were_not_observed_are_not_drawn_in_a_forecast() -> None:
    trained = small_checkpoint()
    num_observed, num_future = trained.preparation.num_observed, trained.model.num_future
    hidden = torch.zeros(1, num_observed + num_future, 25, dtype=torch.bool)
    hidden[:, :, 7] = hidden[:, 3, 5] = True
    motion = Motion(
        poses=torch.randn(1, hidden.size(1), 25, 3),
        skeleton=NTU,
        frame_rate=30.0,
        label=trained.class_names[0],
    )
    motion = Center(joint="spine", frame="each")(hide(motion, hidden))
    clips = MotionDataset.from_settings(
        store=Store([motion]),
        class_names=trained.class_names,
        num_observed=num_observed,
        num_future=num_future,
    )
    assert isinstance(clips.fill.transforms[0], FillMissing) and isinstance(trained.model, SybioGNN)
    forecast = forecast_clip(trained, clips, 0)
    assert torch.equal(forecast.observed.present, ~hidden[:, :num_observed])
    assert not forecast.observed.poses[:, :, 7].any() and not forecast.observed.poses[:, 3, 5].any()
    assert forecast.prediction.present.sum((0, 1)).tolist() == [num_future * (j != 7) for j in range(25)]
