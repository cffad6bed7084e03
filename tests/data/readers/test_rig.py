"""Skeletons proposed for rigs: real rigs, generated ones of many kinds, and hundreds of random trees."""

import random
from collections.abc import Sequence
from pathlib import Path

import networkx as nx
import pytest
import torch

from pyg_sybio.data.readers.amc import read_amc
from pyg_sybio.data.readers.bvh import read_bvh
from pyg_sybio.data.readers.proposed_skeleton import skeleton_of_rig
from pyg_sybio.data.readers.rig import skeleton_from_file
from pyg_sybio.skeleton import Skeleton

TEN_PARTS = {
    "torso", "head",
    "left_upper_arm", "left_forearm", "right_upper_arm", "right_forearm",
    "left_thigh", "left_crus", "right_thigh", "right_crus",
}  # fmt: skip

Chains = Sequence[tuple[str, list[tuple[str, float, float, float]]]]


def rig(root: str, chains: Chains, at: tuple[float, float, float] = (0, 0, 0)) -> Skeleton:
    """The skeleton of a rig given as chains: the joint at which each starts, then names and offsets."""
    names, parents, rest = [root], [-1], [list(at)]
    for start, joints in chains:
        parent = names.index(start)
        for name, *offset in joints:
            rest.append([one + other for one, other in zip(rest[parent], offset, strict=True)])
            names.append(name)
            parents.append(parent)
            parent = len(names) - 1
    return checked(skeleton_of_rig(names, parents, rest, units="m"))


def checked(skeleton: Skeleton) -> Skeleton:
    """Return the skeleton after checks that the constructor cannot do."""
    assert Skeleton.from_dict(skeleton.to_dict()) == skeleton  # also checks the schema
    graph = nx.Graph(skeleton.bones) if skeleton.bones else nx.empty_graph(skeleton.joints)
    assert nx.is_tree(graph)
    for joints in skeleton.parts.values():
        assert nx.is_connected(graph.subgraph(joints))
    part_graph = nx.Graph(skeleton.part_bones) if skeleton.part_bones else nx.empty_graph(skeleton.parts)
    assert nx.is_tree(part_graph)
    image = dict(skeleton.mirror) | {b: a for a, b in skeleton.mirror}
    bones = {frozenset(bone) for bone in skeleton.bones}
    assert bones == {frozenset(image.get(joint, joint) for joint in bone) for bone in bones} or not_whole(
        skeleton
    )
    return skeleton


def not_whole(skeleton: Skeleton) -> bool:
    """Whether some joint exists only on one side, so that the mirrored tree is a different tree."""
    image = dict(skeleton.mirror) | {b: a for a, b in skeleton.mirror}
    return any((a in image) != (b in image) for a, b in skeleton.bones)


def side(left: bool, joints: list[tuple[str, float, float, float]]) -> list[tuple[str, float, float, float]]:
    """The joints of one side: `{}` becomes the name of the side, and x gets its sign."""
    word, sign = ("Left", 1) if left else ("Right", -1)
    return [(name.format(word), sign * x, y, z) for name, x, y, z in joints]


def mixamo(prefix: str = "mixamorig:", fingers: bool = True) -> Skeleton:
    """The usual names of game characters, with three joints and a tip per finger."""

    def named(joints: list[tuple[str, float, float, float]]) -> list[tuple[str, float, float, float]]:
        return [(prefix + name, x, y, z) for name, x, y, z in joints]

    chains: list[tuple[str, list[tuple[str, float, float, float]]]] = [
        ("Hips", [("Spine", 0, 0.1, 0), ("Spine1", 0, 0.12, 0), ("Spine2", 0, 0.13, 0)]),
        ("Spine2", [("Neck", 0, 0.15, 0), ("Head", 0, 0.1, 0), ("HeadTop_End", 0, 0.2, 0)]),
    ]
    for left in (True, False):
        word = "Left" if left else "Right"
        arm = [
            ("{}Shoulder", 0.06, 0.1, 0),
            ("{}Arm", 0.12, 0, 0),
            ("{}ForeArm", 0.28, 0, 0),
            ("{}Hand", 0.28, 0, 0),
        ]
        leg = [
            ("{}UpLeg", 0.1, 0, 0),
            ("{}Leg", 0, -0.42, 0),
            ("{}Foot", 0, -0.42, 0),
            ("{}ToeBase", 0, 0, 0.15),
        ]
        chains += [("Spine2", side(left, arm)), ("Hips", side(left, leg))]
        for number, finger in enumerate(("Thumb", "Index", "Middle", "Ring", "Pinky") if fingers else ()):
            first = 0.05 if finger == "Thumb" else 0.12
            joints = [(f"{{}}Hand{finger}1", first, 0, 0.05 - 0.02 * number)]
            joints += [(f"{{}}Hand{finger}{joint}", 0.035, 0, 0) for joint in (2, 3, 4)]
            chains.append((f"{word}Hand", side(left, joints)))
    return rig(prefix + "Hips", [(prefix + start, named(joints)) for start, joints in chains], (0, 1, 0))


@pytest.mark.parametrize("fingers", [True, False])
def test_a_game_character_has_the_ten_parts_of_the_paper(fingers: bool) -> None:
    skeleton = mixamo(fingers=fingers)
    assert set(skeleton.parts) == TEN_PARTS
    plain = {part: [name.split(":")[1] for name in joints] for part, joints in skeleton.parts.items()}
    assert plain["torso"] == ["Hips", "Spine", "Spine1", "Spine2"]
    assert plain["head"] == ["Neck", "Head", "HeadTop_End"]
    assert plain["left_upper_arm"] == ["LeftShoulder", "LeftArm", "LeftForeArm"]
    assert plain["right_forearm"][0] == "RightHand" and len(plain["right_forearm"]) == (21 if fingers else 1)
    assert plain["left_thigh"] == ["LeftUpLeg", "LeftLeg"] and plain["right_crus"] == [
        "RightFoot",
        "RightToeBase",
    ]
    assert len(skeleton.mirror) == (28 if fingers else 8)
    assert ("mixamorig:LeftHand", "mixamorig:RightHand") in skeleton.mirror
    assert "Spine" in skeleton.center
    assert ("left_upper_arm", "left_forearm") in skeleton.part_bones and (
        "torso",
        "head",
    ) in skeleton.part_bones


def humanoid(names: Sequence[str]) -> tuple[list[str], list[int], list[list[float]]]:
    """A body with three joints per limb: hips, spine, head, then left arm, right arm, left leg, right leg."""
    parents = [-1, 0, 1, 1, 3, 4, 1, 6, 7, 0, 9, 10, 0, 12, 13]
    rest = [[0, 1, 0], [0, 1.5, 0], [0, 1.7, 0]]
    rest += [[sign * x, 1.5, 0] for sign in (1, -1) for x in (0.2, 0.5, 0.8)]
    rest += [[sign * 0.1, y, 0] for sign in (1, -1) for y in (1.0, 0.5, 0.1)]
    return list(names), parents, rest


@pytest.mark.parametrize(
    ("shoulder", "right"),
    [
        ("LeftShoulder", "RightShoulder"),
        ("left_shoulder", "right_shoulder"),
        ("leftshoulder", "rightshoulder"),
        ("LEFT_SHOULDER", "RIGHT_SHOULDER"),
        ("Shoulder_L", "Shoulder_R"),
        ("shoulder.l", "shoulder.r"),
        ("shoulder-L.001", "shoulder-R.001"),
        ("L_Shoulder", "R_Shoulder"),
        ("LShoulder", "RShoulder"),
        ("lShoulder", "rShoulder"),
        ("lshoulder", "rshoulder"),
        ("ShoulderL", "ShoulderR"),
        ("Bip01 L Shoulder", "Bip01 R Shoulder"),
        ("rig:LeftShoulder", "rig:RightShoulder"),
        ("Character1_LeftShoulder", "Character1_RightShoulder"),
        ("L_Shoulder_L", "R_Shoulder_R"),
    ],
)
def test_left_and_right_are_found_by_name(shoulder: str, right: str) -> None:
    kinds = ["Shoulder", "Elbow", "Wrist"]
    arms = [pattern.replace("houlder", "houlder" + kind) for pattern in (shoulder, right) for kind in kinds]
    arms = [name.replace("HOULDER", f"HOULDER{kinds[place % 3].upper()}") for place, name in enumerate(arms)]
    legs = [name.replace("S", "K").replace("s", "k") for name in arms]
    skeleton = checked(skeleton_of_rig(*humanoid(["Hips", "Spine", "Head", *arms, *legs]), units="m"))
    assert skeleton.mirror == tuple(zip(arms[:3] + legs[:3], arms[3:] + legs[3:], strict=True))
    assert skeleton.center == "Hips"  # as central as the spine, and nearer to the root


def test_matching_names_are_not_sufficient_for_a_mirror_pair() -> None:
    # "lib" is not a left "rib", because their parents differ; a left hand without a right one has no partner.
    skeleton = rig("hub", [("hub", [("rib", 1, 0, 0)]), ("rib", [("lib", 1, 0, 0), ("LeftHand", 1, 0, 0)])])
    assert skeleton.mirror == ()
    # The right foot is not attached to a right leg.
    crossed = rig(
        "hub",
        [
            ("hub", [("LeftLeg", 1, 0, 0), ("LeftFoot", 1, 0, 0)]),
            ("hub", [("RightLeg", -1, 0, 0)]),
            ("hub", [("RightFoot", 0, 0, 1)]),
        ],
    )
    assert crossed.mirror == (("LeftLeg", "RightLeg"),)


def chain(count: int) -> list[tuple[str, float, float, float]]:
    return [(f"link{index}", 0.0, 1.0, 0.0) for index in range(count)]


def test_a_chain_has_one_or_two_parts() -> None:
    assert list(rig("base", []).parts.values()) == [("base",)]
    assert list(rig("base", [("base", chain(4))]).parts) == ["base"]
    long = rig("base", [("base", chain(8))])
    assert [len(joints) for joints in long.parts.values()] == [5, 4] and list(long.parts) == ["base", "link4"]
    assert long.center == "link3" and long.mirror == ()


def test_a_star_has_a_center_part_and_one_part_per_ray() -> None:
    rays = [("hub", [(f"ray{ray}{joint}", 1.0, ray, 0.0) for joint in range(3)]) for ray in range(7)]
    skeleton = rig("hub", rays)
    assert list(skeleton.parts) == ["hub", *(f"ray{ray}0" for ray in range(7))]
    assert skeleton.center == "hub"


def test_a_hand_has_one_part_per_finger() -> None:
    fingers = ("thumb", "index", "middle", "ring", "pinky")
    chains = [
        ("wrist", [(f"{finger}{joint}", 0.3 * place, 2.0 if joint else 5.0, 0) for joint in range(4)])
        for place, finger in enumerate(fingers)
    ]
    skeleton = rig("wrist", chains)
    assert [len(joints) for joints in skeleton.parts.values()] == [1, 4, 4, 4, 4, 4]
    assert list(skeleton.parts) == ["wrist", *(f"{finger}0" for finger in fingers)]
    assert skeleton.center == "wrist"


def quadruped() -> Skeleton:
    chains: list[tuple[str, list[tuple[str, float, float, float]]]] = [
        ("pelvis", [("spine1", 0, 0, 0.3), ("spine2", 0, 0, 0.3), ("chest", 0, 0, 0.2)]),
        ("chest", [("neck", 0, 0.2, 0.2), ("head", 0, 0.2, 0.1), ("nose", 0, -0.05, 0.15)]),
        ("head", [("ear_L", 0.05, 0.08, 0)]),
        ("head", [("ear_R", -0.05, 0.08, 0)]),
        ("pelvis", [(f"tail{joint}", 0, 0, -0.1) for joint in range(5)]),
    ]
    for suffix, sign in (("L", 1), ("R", -1)):
        for start, place in (("chest", "front"), ("pelvis", "hind")):
            joints = [(f"{place}_{name}_{suffix}", 0, -0.22, 0) for name in ("thigh", "shin", "foot", "toe")]
            chains.append((start, [(joints[0][0], sign * 0.1, 0, 0), *joints[1:]]))
    return rig("pelvis", chains, (0, 0.8, 0))


def test_a_quadruped_has_four_legs_and_a_tail() -> None:
    skeleton = quadruped()
    assert skeleton.parts["torso"] == ("pelvis", "spine1", "spine2", "chest")
    assert skeleton.parts["tail"] == tuple(f"tail{joint}" for joint in range(5))
    assert skeleton.parts["head"] == ("neck", "head", "nose", "ear_L", "ear_R")
    # The two left legs have separate parts, which are named after their joints.
    legs = [
        f"{place}_{name}_{side}" for side in "LR" for place in ("front", "hind") for name in ("thigh", "foot")
    ]
    assert set(skeleton.parts) == {"torso", "tail", "head", *legs}
    assert skeleton.parts["hind_thigh_R"] == ("hind_thigh_R", "hind_shin_R")
    assert len(skeleton.mirror) == 9


@pytest.mark.parametrize(
    ("names", "at", "step", "left_out"),
    [
        (["joint_Root", "Middle"], (0, 0, 0), (0, 0.9, 0), 1),
        (["Reference", "Armature", "Middle"], (0, 0, 0), (0, 0, 0), 2),
        (["Bip01", "Bip01 Pelvis"], (0, 1, 0), (0, 0.1, 0), 1),  # only moves the hips
        (["Carrier", "Hips"], (0, 0.1, 0), (0, 0.9, 0), 1),
        (["Carrier", "Middle"], (0, 0.9, 0), (0, 0, 0), 1),  # root and child at the same position
        (["Carrier", "Middle"], (0, 0, 0), (0, 0.9, 0), 0),  # the first joint could be part of the body
        (["Root", "Middle"], (0, 0.5, 0), (0, 0.9, 0), 0),  # the first joint is not at the origin
    ],
)
def test_a_first_joint_that_only_moves_the_whole_body_is_left_out(
    names: list[str], at: tuple[float, float, float], step: tuple[float, float, float], left_out: int
) -> None:
    chains: list[tuple[str, list[tuple[str, float, float, float]]]] = [
        (names[0], [(name, *step) for name in names[1:]]),
        *((names[-1], [(f"limb{limb}", 1.0, limb, 0.0)]) for limb in range(3)),
    ]
    skeleton = rig(names[0], chains, at)
    assert skeleton.joints[: len(names) - left_out] == tuple(names[left_out:])
    for name in names[:left_out]:
        assert name in skeleton.description
    # A rig that is a single chain keeps all its joints.
    assert rig(names[0], chains[:1], at).joints == tuple(names)


def test_all_bones_of_a_rig_without_offsets_are_equally_long() -> None:
    names, parents, rest = humanoid([f"joint{index}" for index in range(15)])
    flat = checked(skeleton_of_rig(names, parents, [[0, 0, 0]] * 15, units="m"))
    known = checked(skeleton_of_rig(names, parents, torch.tensor(rest), units="m"))
    assert flat.joints == known.joints and flat.center == known.center == "joint0"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda names, parents, rest: parents.pop(), "a rig has 15 'names', 14 'parents'"),
        (lambda names, parents, rest: rest.pop(), r"'rest_positions' of shape \[14, 3\]"),
        (
            lambda names, parents, rest: parents.__setitem__(3, 9),
            "'parents' has 9 for joint 3, expected the index",
        ),
        (lambda names, parents, rest: parents.__setitem__(0, 0), "'parents' has 0 for joint 0, expected -1"),
        (lambda names, parents, rest: names.__setitem__(4, ""), "'names' has an empty name at 4"),
        (lambda names, parents, rest: names.__setitem__(4, "j0"), "'joints' has 'j0' 2 times"),
        (
            lambda names, parents, rest: rest.__setitem__(2, [0, float("nan"), 0]),
            "'rest_positions' of 'j2' are not",
        ),
    ],
)
def test_errors_name_the_problem_of_a_rig(change: object, message: str) -> None:
    names, parents, rest = humanoid([f"j{index}" for index in range(15)])
    change(names, parents, rest)  # type: ignore[operator]
    with pytest.raises(ValueError, match=message):
        skeleton_of_rig(names, parents, rest, units="m")


@pytest.mark.parametrize("seed", range(300))
def test_any_tree_gives_a_valid_skeleton(seed: int) -> None:
    rng = random.Random(seed)
    count = rng.choice([1, 2, 3, 5, 12, 30, 80])
    reach = rng.choice([1, 2, 5, count])  # largest index difference to the parent: from chains to bushes
    parents = [-1, *(rng.randrange(max(0, joint - reach), joint) for joint in range(1, count))]
    rest = [[rng.gauss(0, 1) * (rng.random() < 0.8) for _ in range(3)] for _ in range(count)]
    words = [
        "root",
        "Hips",
        "hip_L",
        "hip_R",
        "spine",
        "LeftArm",
        "RightArm",
        "lfoot",
        "rfoot",
        "head",
        "torso",
        "x",
    ]
    names: list[str] = []
    for joint in range(count):
        word = rng.choice(words)
        names.append(word if word not in names else f"{word}{joint}")
    skeleton = checked(skeleton_of_rig(names, parents, rest, units="m"))
    assert skeleton.joints == tuple(names[count - skeleton.num_joints :])
    assert skeleton.bones == tuple(
        (names[parents[joint]], names[joint]) for joint in range(count - skeleton.num_joints + 1, count)
    )


@pytest.mark.parametrize("seed", range(60))
def test_left_and_right_are_split_symmetrically(seed: int) -> None:
    """Parts are mirror images, even if the sides differ in length or in the order of equal branches."""
    rng = random.Random(seed)
    count = rng.randrange(3, 20)
    parent_of = {joint: rng.randrange(joint) for joint in range(1, count)}
    names, parents, rest = ["hub"], [-1], [[0.0, 0.0, 0.0]]
    for word in ("left", "right"):
        waiting = list(parent_of)
        while waiting:
            known = ["hub", *names]
            ready = [
                joint for joint in waiting if not parent_of[joint] or f"{word}{parent_of[joint]}" in known
            ]
            joint = rng.choice(ready)
            waiting.remove(joint)
            parents.append(names.index(f"{word}{parent_of[joint]}") if parent_of[joint] else 0)
            names.append(f"{word}{joint}")
            step = [1.0, 0.0, 0.0] if seed % 2 else [rng.gauss(0, 1) for _ in range(3)]
            rest.append([one + other for one, other in zip(rest[parents[-1]], step, strict=True)])
    skeleton = checked(skeleton_of_rig(names, parents, rest, units="m"))
    assert 2 * len(skeleton.mirror) == len(names) - 1
    parts = {frozenset(joints) for joints in skeleton.parts.values()}
    image = dict(skeleton.mirror) | {b: a for a, b in skeleton.mirror}
    assert parts == {frozenset(image.get(joint, joint) for joint in joints) for joints in parts}


def test_files_of_other_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"walk\.amc is not a rig, expected a \.bvh or \.asf file"):
        skeleton_from_file(tmp_path / "walk.amc")
    with pytest.raises(ValueError, match=r"'end_sites' is True, but .*02\.asf has none"):
        skeleton_from_file(tmp_path / "02.asf", end_sites=True)
    with pytest.raises(ValueError, match=r"'units' is 'cm', expected 'm': motions of .*02\.asf"):
        skeleton_from_file(tmp_path / "02.asf", units="cm")
    with pytest.raises(FileNotFoundError):
        skeleton_from_file(tmp_path / "02.asf")


# Real rigs ------------------------------------------------------------------------------------------------


@pytest.mark.real_data
def test_a_real_bvh_rig_has_the_ten_parts_of_the_paper(data_root: Path, tmp_path: Path) -> None:
    path = sorted((data_root / "bandai2").glob("*.bvh"))[0]
    skeleton = checked(skeleton_from_file(path, name="bandai", units="cm"))
    assert set(skeleton.parts) == TEN_PARTS and len(skeleton.mirror) == 8
    assert skeleton.num_joints == 21 and "joint_Root" not in skeleton.joints
    assert skeleton.parts["torso"] == ("Hips", "Spine", "Chest") and skeleton.center == "Spine"
    assert (skeleton.name, skeleton.units) == ("bandai", "cm")
    assert read_bvh(path, skeleton=skeleton).skeleton == skeleton
    assert skeleton_from_file(path) == read_bvh(path).skeleton
    assert skeleton_from_file(path).name == "rig21"


@pytest.mark.real_data
def test_the_real_asf_rig_has_the_ten_parts_of_the_paper(data_root: Path) -> None:
    folder = data_root / "cmu_asf_amc"
    skeleton = checked(skeleton_from_file(folder / "02.asf"))
    assert set(skeleton.parts) == TEN_PARTS and len(skeleton.mirror) == 12
    assert skeleton.num_joints == 31 and skeleton.units == "m"
    assert skeleton.parts["torso"] == ("root", "lowerback", "upperback", "thorax")
    assert skeleton.parts["left_forearm"] == ("lradius", "lwrist", "lhand", "lfingers", "lthumb")
    assert skeleton == read_amc(folder / "02_03.amc").skeleton


@pytest.mark.parametrize(("axis", "up"), [(1, "y"), (2, "z")])
def test_up_is_y_unless_the_rest_pose_is_flat_in_y(axis: int, up: str) -> None:
    def along(length: float) -> tuple[float, float, float]:
        return tuple(length * (axis == each) for each in range(3))  # type: ignore[return-value]

    limbs = [
        ("Hips", [(f"{side}Leg", *along(-45)), (f"{side}Foot", *along(-40))]) for side in ("Left", "Right")
    ]
    assert rig("Hips", [("Hips", [("Spine", *along(30)), ("Head", *along(30))]), *limbs]).up == up


def body_with(left: str, right: str, words: dict[str, str], helpers: bool = False) -> Skeleton:
    """A body whose limbs are named with a side and a word, perhaps on helper joints without a side."""
    names, parents, rest = (
        [words["hips"], words["spine"], words["head"]],
        [-1, 0, 1],
        [[0, 90, 0], [0, 120, 0]],
    )
    rest.append([0, 160, 0])
    for number, (side, sign) in enumerate(((left, 1), (right, -1))):
        for limb, top in ((("leg", "knee", "foot"), 0), (("arm", "elbow", "hand"), 1)):
            parent, height = top, 90 + 50 * top
            if helpers:
                names.append(f"group{number}{top}")
                parents.append(parent)
                rest.append([5 * sign, height, 0])
                parent = len(names) - 1
            for step, joint in enumerate(limb):
                names.append(side.replace("*", words[joint]))
                parents.append(parent)
                rest.append([sign * (10 + (40 * step if top else 0)), height - (0 if top else 40 * step), 0])
                parent = len(names) - 1
    return checked(skeleton_of_rig(names, parents, rest, units="cm"))


ENGLISH = {word: word for word in ("hips", "spine", "head", "leg", "knee", "foot", "arm", "elbow", "hand")}
JAPANESE = dict(zip(ENGLISH, ("腰", "上半身", "頭", "足", "ひざ", "足首", "腕", "ひじ", "手首"), strict=True))


@pytest.mark.parametrize(
    ("left", "right", "words"),
    [("lf_*", "rt_*", ENGLISH), ("*_LF", "*_RT", ENGLISH), ("左*", "右*", JAPANESE), ("*.L", "*.R", ENGLISH)],
)
@pytest.mark.parametrize("helpers", [False, True])
def test_sides_are_found_in_several_naming_conventions_and_on_helper_joints(
    left: str, right: str, words: dict[str, str], helpers: bool
) -> None:
    skeleton = body_with(left, right, words, helpers)
    assert len(skeleton.mirror) == 6 + 2 * helpers
    for one, other in skeleton.mirror:
        assert {one[:5], other[:5]} == {"group"} or (one, other) == (one, one.replace(*_sides(left, right)))
    assert {"left_thigh", "right_thigh", "left_forearm", "right_forearm"} <= set(skeleton.parts)


def _sides(left: str, right: str) -> tuple[str, str]:
    return left.replace("*", ""), right.replace("*", "")


def test_roll_and_face_bones_belong_to_the_joint_at_which_they_branch_off() -> None:
    plain = body_with("Left*", "Right*", ENGLISH)
    names, parents = list(plain.joints), [-1] * len(plain.joints)
    for inner, outer in plain.bone_pairs:
        parents[outer] = inner
    rest = [[0.0, 0.0, 0.0] for _ in names]
    for inner, outer in plain.bone_pairs:
        rest[outer] = [rest[inner][0] + 1, rest[inner][1] + 40, 0.0]
    minor = {"LeftarmRoll": "Leftarm", "RightarmRoll": "Rightarm", "Jaw": "head", "LeftEye": "head"}
    for name, parent in minor.items():
        joint = names.index(parent)
        names.append(name)
        parents.append(joint)
        rest.append([rest[joint][0], rest[joint][1] + 90, 0.0])
    skeleton = checked(skeleton_of_rig(names, parents, rest, units="cm"))
    assert len(skeleton.parts) == len(plain.parts)
    for name, parent in minor.items():
        assert any({name, parent} <= set(joints) for joints in skeleton.parts.values())
