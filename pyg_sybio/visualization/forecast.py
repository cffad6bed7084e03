r"""A forecast and the true future of the motion (Fig. 14)."""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.nn.functional import pad

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms import FillMissing
from pyg_sybio.data.transforms.base import hide
from pyg_sybio.visualization.figures import number_format, to_numpy
from pyg_sybio.visualization.pose import ERROR, OBSERVED, PREDICTED, TRUTH
from pyg_sybio.visualization.scene import Key, Scene, unit_of


@dataclass(frozen=True, eq=False)
class Forecast:
    r"""The observed motion of some persons, its true future, and the predicted future.

    Args:
        observed: The observed frames; joints that were not observed are not `present`.
        future: The frames after the observed frames; joints that were not recorded are not `present`.
        prediction: The predicted frames, in the same coordinates; joints without a prediction are not
            `present`.
        title: Name of the file or clip.
        remarks: Further short facts for the caption, such as the recognised class.

    Raises:
        ValueError: If the three motions differ in skeleton, number of persons or frame rate, if `future` and
            `prediction` differ in length, or if no joint of `future` was recorded.
    """

    observed: Motion
    future: Motion
    prediction: Motion
    title: str = ""
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("future", "prediction"):
            for field in ("skeleton", "num_persons", "frame_rate"):
                own, other = getattr(self.observed, field), getattr(getattr(self, name), field)
                if own != other:
                    own, other = (getattr(value, "name", value) for value in (own, other))
                    raise ValueError(f"'{name}' has {field} {other!r}, but 'observed' has {own!r}")
        if self.prediction.num_frames != self.future.num_frames:
            raise ValueError(
                f"'prediction' has {self.prediction.num_frames} frames, but 'future' has "
                f"{self.future.num_frames}"
            )
        if not self.future.present.any():
            raise ValueError("'future' has no recorded joint, expected at least one to compare with")

    @property
    def frame_rate(self) -> float:
        """Frames per second; 25 if the frame rate is unknown."""
        return self.observed.frame_rate or 25.0

    def milliseconds(self, frame: int) -> float:
        """Time of a future frame in ms after the last observed frame."""
        return 1000 * (frame + 1) / self.frame_rate

    def frame_at(self, milliseconds: float) -> int:
        """Index of the future frame that is closest to a time in ms after the last observed frame.

        Raises:
            ValueError: If the time is before the first or after the last future frame.
        """
        frame = round(milliseconds / 1000 * self.frame_rate) - 1
        if not 0 <= frame < self.future.num_frames:
            raise ValueError(
                f"{milliseconds:g} ms is not within the future, expected "
                f"{self.milliseconds(0):.0f} to {self.milliseconds(self.future.num_frames - 1):.0f} ms"
            )
        return frame

    @property
    def errors(self) -> np.ndarray:
        r"""Distance of every predicted joint from the true joint `[P, T, M]`, NaN for joints not
        recorded or not predicted.

        Distances are in the unit of the skeleton. For exponential maps see
        :func:`~pyg_sybio.visualization.rotation_figure.rotation_errors`.
        """
        spatial = self.observed.num_spatial
        away = to_numpy(self.prediction.poses - self.future.poses)[..., :spatial]
        known = self.future.present & self.prediction.present
        return np.where(known.numpy(), np.linalg.norm(away, axis=-1), np.nan)

    def zero_velocity(self) -> "Forecast":
        """The same forecast with the prediction of the baseline that repeats the last observed pose."""
        held = FillMissing(mode="hold")(self.observed)
        still = held.frames(torch.full((self.future.num_frames,), held.num_frames - 1))
        return replace(self, prediction=hide(still, ~self.observed.present.any(1, keepdim=True)))

    def scene(self) -> Scene:
        """The scene of the forecast: the last observed frames, then overlaid true and predicted frames.

        The number of observed frames shown is the number of predicted frames, or less if fewer were observed.
        The bodies are, in this order, the observed, the true and the predicted persons. The observed frames
        are the model's input, in which short clips are padded at the front.
        """
        count, persons = self.future.num_frames, self.observed.num_persons
        past = self.observed.frames(slice(-count, None))
        shown = [padded(past, 0, count)]
        # Joints that were not recorded are predicted, too.
        shown += [padded(motion, past.num_frames, 0) for motion in (self.future, self.prediction)]
        motion = past.replace(
            poses=torch.cat([each.poses for each in shown]),
            present=torch.cat([each.present for each in shown]),
            confidence=None,
            tracks=tuple(range(3 * persons)),
        )
        before = (self.milliseconds(frame) for frame in range(past.num_frames - 2, -1, -1))
        past_times = [*(f"\N{MINUS SIGN}{time:.0f} ms" for time in before), "0 ms"]
        true, guess = range(persons, 2 * persons), range(2 * persons, 3 * persons)
        observed = f"{self.observed.num_frames} frames observed, {count} predicted at {self.frame_rate:g} Hz"
        return Scene(
            motion=motion,
            recorded=np.arange(3 * persons) < 2 * persons,
            colors=(OBSERVED,) * persons + (TRUTH,) * persons + (PREDICTED,) * persons,
            keys=(
                Key(OBSERVED.middle, "observed", tuple(range(persons))),
                Key(TRUTH.middle, "true future", tuple(true)),
                Key(PREDICTED.middle, "prediction", tuple(guess)),
                Key(ERROR, "error: from true to predicted joint", links=True),
            ),
            times=(*past_times, *self._future_times()),
            title=self.title,
            facts=(*self.remarks, self.observed.skeleton.name, observed),
            links=tuple(zip(true, guess, strict=True)),
        )

    def _future_times(self) -> list[str]:
        """Time of each future frame, and the mean error of its joints on a second line."""
        by_frame = [errors[np.isfinite(errors)] for errors in self.errors.swapaxes(0, 1)]
        means = [float(errors.mean()) if len(errors) else math.nan for errors in by_frame]
        show, unit = number_format(means), unit_of(self.observed)
        said = ["not recorded" if math.isnan(mean) else f"mean error {show(mean)} {unit}" for mean in means]
        return [f"+{self.milliseconds(frame):.0f} ms\n{text}" for frame, text in enumerate(said)]


def padded(motion: Motion, before: int, after: int) -> Motion:
    """Return the motion with empty frames, in which no joint is present, added before and after."""
    return motion.mapped(lambda values: pad(values, (0, 0) * (values.dim() - 2) + (before, after)))
