"""Conversion of rotations to bodies that can be drawn."""

from dataclasses import replace

import torch

from pyg_sybio.data.motion import Motion
from pyg_sybio.kinematics import bone_offsets, expmap_positions


def body_of(motion: Motion) -> Motion | None:
    """Convert rotations to positions in millimetres; return None if the skeleton has no bone offsets.

    The root keeps its rest pose, because benchmarks of joint angles predict neither its rotation nor its
    path.

    Args:
        motion: Rotations (coordinates `expmap`) of all joints of a skeleton.
    """
    skeleton = motion.skeleton
    if (offsets := bone_offsets(skeleton)) is None:
        return None
    root = torch.arange(skeleton.num_joints) == skeleton.joint_index(skeleton.center)
    rotations = motion.poses.double().masked_fill(root[:, None], 0.0)
    positions = expmap_positions(rotations, skeleton, offsets) * motion.present[..., None]
    return motion.replace(
        poses=positions, translation=None, skeleton=replace(skeleton, coordinates="xyz", units="mm")
    )
