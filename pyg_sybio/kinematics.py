r"""Joint positions computed from rotations and bone offsets."""

import csv
from functools import cache

import networkx as nx
import torch
from torch import Tensor

from pyg_sybio.rotations import expmap_to_matrix, forward_kinematics
from pyg_sybio.skeleton import Skeleton, load_skeleton
from pyg_sybio.skeleton.document import FOLDER


def expmap_positions(expmaps: Tensor, skeleton: Skeleton, offsets: Tensor) -> Tensor:
    r"""Compute joint positions from exponential maps, with the center of the skeleton at the origin.

    The convention of the files of CMU Mocap and Human3.6M multiplies row vectors by rotation matrices from
    the right. With column vectors, the global rotation and the position of a joint are

    .. math::
        G_i = G_{p(i)} \exp(-v_i), \qquad x_i = x_{p(i)} + G_{p(i)}\, o_i

    for a joint `i` with the exponential map :math:`v_i` and the offset :math:`o_i`. Its parent `p(i)` is its
    neighbour towards the center.

    Args:
        expmaps: Exponential map of each joint (rotation axis times angle in radians).
        skeleton: A skeleton whose bones form a tree.
        offsets: Position of each joint in its parent's frame, in the unit of the result.

    Shapes:
        - **expmaps:** `[..., M, 3]`
        - **offsets:** `[M, 3]`
        - **output:** `[..., M, 3]`

    Raises:
        ValueError: If a shape does not fit, or the bones are not a tree.
    """
    order, parents = _from_center(skeleton)
    turns = expmap_to_matrix(-expmaps[..., order, :])
    steps = offsets.to(expmaps)[order]
    positions, _ = forward_kinematics(turns, steps, parents, torch.zeros_like(expmaps[..., 0, :]))
    return positions[..., sorted(range(len(order)), key=order.__getitem__), :]


@cache
def _from_center(skeleton: Skeleton) -> tuple[list[int], list[int]]:
    """Return the joints ordered with parents first, and the index of each joint's parent in this order."""
    graph, center = nx.Graph(skeleton.bone_pairs), skeleton.joint_index(skeleton.center)
    if not nx.is_tree(graph) or len(graph) != skeleton.num_joints:
        raise ValueError(f"the bones of skeleton '{skeleton.name}' are not a tree that connects all joints")
    parent_of = {center: center} | dict(nx.bfs_predecessors(graph, center))
    order = list(parent_of)
    place = {joint: index for index, joint in enumerate(order)}
    return order, [-1, *(place[parent_of[joint]] for joint in order[1:])]


@cache
def bone_offsets(skeleton: Skeleton) -> Tensor | None:
    r"""Return the shipped bone offsets of a skeleton for exponential maps, in millimetres, or None.

    The offsets are in the folder ``skeletons/offsets``, in a CSV file with the name of the skeleton.

    Shapes:
        - **output:** `[M, 3]`
    """
    path = FOLDER / "offsets" / f"{skeleton.name}.csv"
    if not path.is_file() or skeleton != load_skeleton(skeleton.name):
        return None
    with path.open(encoding="utf-8", newline="") as file:
        rows = {row["joint"]: row for row in csv.DictReader(line for line in file if line[0] != "#")}
    numbers = [[float(rows[joint][axis]) for axis in "xyz"] for joint in skeleton.joints]
    return torch.tensor(numbers, dtype=torch.float64)
