r"""Select the persons with the highest confidence."""

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms.base import MotionTransform, check_count


class SelectByConfidence(MotionTransform):
    r"""The persons with the highest mean confidence over the clip (Kinetics, §6.1.1 of the paper).

    .. math::
        \bar c_p = \frac{1}{TM} \sum_{t=1}^{T} \sum_{i=1}^{M} c_{pi}(t),

    with confidence 0 where a joint is not present, so that a person who is seen for an instant is not
    preferred to one who is seen all the time. In a tie, the original order decides.

    Args:
        num_bodies: Largest number of persons to keep. (default: 1, as in the paper)

    Raises:
        ValueError: If `num_bodies` is not positive, or a motion has no confidence.
    """

    def __init__(self, *, num_bodies: int = 1) -> None:
        self.num_bodies = check_count("num_bodies", num_bodies)

    def forward(self, motion: Motion) -> Motion:
        confidence = motion.confidence
        if confidence is None:
            if motion.skeleton.coordinates != "xy+score":
                source = motion.source or "the motion"
                raise ValueError(f"SelectByConfidence needs 'confidence', but {source} has none")
            confidence = motion.poses[..., 2]
        mean = (confidence * motion.present).mean((1, 2))
        return motion.persons(mean.argsort(descending=True, stable=True)[: self.num_bodies].tolist())
