"""Corruptions of the robustness benchmark, and its table."""

import json
from pathlib import Path

import torch
from benchmark_scripts import Scripts
from live_models import FUTURE, OBSERVED, small_checkpoint, small_model
from random_motions import random_motion

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.synthetic.actions import ACTIONS
from pyg_sybio.skeleton import load_skeleton


def test_a_limb_is_hidden_for_some_frames(scripts: Scripts) -> None:
    motion = random_motion("ntu25", num_frames=30, missing=0.0)
    seen = scripts["robustness"].without_limb(motion, 12).present[0]
    hidden = ~seen
    assert hidden.any(1).sum() == 12 and hidden.any(1).nonzero().diff(dim=0).eq(1).all()
    limb = {motion.skeleton.joints[joint] for joint in hidden.any(0).nonzero().flatten().tolist()}
    parts = motion.skeleton.parts
    side = "left" if any(joint.startswith("left") for joint in limb) else "right"
    arm, leg = (
        {*parts[f"{side}_{a}"], *parts[f"{side}_{b}"]}
        for a, b in (("upper_arm", "forearm"), ("thigh", "crus"))
    )
    assert limb in (arm, leg, {*parts["head"]})


def test_swapping_sides_exchanges_left_and_right_joints_and_is_its_own_inverse(scripts: Scripts) -> None:
    motion = random_motion("ntu25", missing=0.2)
    swap = scripts["robustness"].with_sides_swapped
    left, right = (motion.skeleton.joint_index(f"{side}_hand") for side in ("left", "right"))
    swapped = swap(motion, 1.0)
    assert torch.equal(swapped.poses[:, :, left], motion.poses[:, :, right])
    assert swap(swapped, 1.0).equal(motion) and swap(motion, 0.0).equal(motion)


def test_a_person_who_passes_in_front_hides_every_joint_once(scripts: Scripts) -> None:
    skeleton = load_skeleton("ntu25")
    poses = torch.linspace(0, 1, 25)[:, None].expand(1, 40, 25, 3).clone()
    hidden = ~scripts["robustness"].behind_a_person(Motion(poses=poses, skeleton=skeleton), 40).present[0]
    assert hidden.any(0).all() and not hidden[0].any() and not hidden[-1].any()
    assert hidden.sum(1).max() <= 13  # the band covers half of the width


def test_every_corruption_has_a_row(scripts: Scripts, tmp_path: Path) -> None:
    trained = small_checkpoint(
        "SyntheticMotions",
        model=small_model(num_classes=len(ACTIONS)),
        class_names=[action.name for action in ACTIONS],
        num_observed=OBSERVED,
        num_future=FUTURE,
        num_clips=6,
    )
    trained.save(tmp_path / "model")
    output = tmp_path / "rows.json"
    scripts["robustness"].main([str(tmp_path / "model"), "--clips", "4", "--output", str(output)])
    rows = json.loads(output.read_text())["rows"]
    assert list(dict.fromkeys(row["corruption"] for row in rows)) == [
        *("none", "joints", "limb", "frames", "noise", "rate", "swap", "behind")
    ]
    assert rows[0]["lost"] == 0 and all(0 <= row["top1"] <= 1 and row["error"] > 0 for row in rows)
