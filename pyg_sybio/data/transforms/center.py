r"""Positions relative to a joint instead of the camera."""

from typing import Literal

from torch import Tensor

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms.base import InvertibleTransform, check_choice, shift_space, space_of
from pyg_sybio.data.transforms.frame_index import held_frames


class Center(InvertibleTransform):
    r"""Subtract the position of a joint of the first person.

    .. math::
        x'_{pi}(t) = x_{pi}(t) - x_{1c}(\tau), \qquad
        \tau = t_0 \;(\text{first}), \; \tau = t_1 \;(\text{last}), \; \tau = t \;(\text{each})

    with `c` the joint, and `t_0` and `t_1` the first and the last frame in which it is present. In a frame
    without the joint, "each" uses the last earlier frame with the joint, or else the first later one. The
    first person is the first one whose joint is present in any frame; without such a person, nothing is
    subtracted. All persons are shifted together, so that they keep their distances.

    Args:
        joint: Name of the joint; `"spine"` is usual for NTU RGB+D. (default: the skeleton's center)
        frame: `"first"` and `"last"` keep the path of the body, `"each"` removes it. (default: `"first"`)

    Raises:
        ValueError: If `frame` has another value, the skeleton has no such joint, or poses are rotations.

    Shapes:
        - **parameters** of :meth:`apply`: the subtracted position, `[1, S]` or `[T, S]`
    """

    def __init__(
        self, *, joint: str | None = None, frame: Literal["first", "last", "each"] = "first"
    ) -> None:
        self.joint = joint
        self.frame = check_choice("frame", frame, ("first", "last", "each"))

    def apply(self, motion: Motion) -> tuple[Motion, Tensor]:
        seen = motion.present[:, :, self._joint(motion)].any(1)
        first = int(seen.int().argmax())
        offset = self._offsets(motion, slice(first, first + 1))[0]
        return shift_space(motion, -offset[:, None], self), offset

    def apply_apart(self, motion: Motion) -> tuple[Motion, Tensor]:
        """Like :meth:`apply`, separately for each person; parameters are `[P, 1, S]` or `[P, T, S]`."""
        offsets = self._offsets(motion, slice(None))
        return shift_space(motion, -offsets[:, :, None], self), offsets

    def invert(self, motion: Motion, parameters: Tensor) -> Motion:
        return shift_space(motion, parameters[..., None, :], self)

    def _joint(self, motion: Motion) -> int:
        return motion.skeleton.joint_index(self.joint or motion.skeleton.center)

    def _offsets(self, motion: Motion, persons: slice) -> Tensor:
        """Position of the joint of some persons, `[P, T, S]` or `[P, 1, S]`; zero if the joint is never
        present."""
        joint = self._joint(motion)
        path = space_of(motion, self)[persons, :, joint]  # [P, T, S]
        held = held_frames(motion.present[persons, :, joint])  # [P, T]
        held = {"first": held[:, :1], "last": held[:, -1:], "each": held}[self.frame]
        return path.gather(1, held[:, :, None].expand(-1, -1, path.size(-1)))
