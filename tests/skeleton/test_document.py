"""Skeletons as JSON: round trips, and errors that locate the problem in a document."""

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from small_skeletons import SHIPPED, SHIPPED_AND_USED, document, make

from pyg_sybio.skeleton import Skeleton, load_skeleton


@pytest.mark.parametrize("name", SHIPPED_AND_USED)
def test_a_round_trip_keeps_values_and_order(name: str, tmp_path: Path) -> None:
    skeleton = load_skeleton(name)
    skeleton.save(tmp_path / "copy.json")
    again = load_skeleton(tmp_path / "copy.json")
    assert again == skeleton
    assert again.to_dict() == skeleton.to_dict()
    assert hash(again) == hash(skeleton)
    assert (again.joints, again.bones, list(again.parts)) == (
        skeleton.joints,
        skeleton.bones,
        list(skeleton.parts),
    )
    assert pickle.loads(pickle.dumps(skeleton)) == skeleton
    assert copy.deepcopy(skeleton) == skeleton


def test_skeletons_with_another_order_are_not_equal() -> None:
    body = document()
    turned = document(parts=dict(reversed(body["parts"].items())))
    assert Skeleton.from_dict(body) != Skeleton.from_dict(turned)
    assert Skeleton.from_dict(body) != body


def test_skeletons_are_equal_regardless_of_description_and_source() -> None:
    skeleton, other = (Skeleton.from_dict(document(description=text, source=text)) for text in "ab")
    assert skeleton == other
    assert hash(skeleton) == hash(other)
    assert skeleton != Skeleton.from_dict(document(units="mm"))


def test_the_schema_is_valid_and_published_with_the_files() -> None:
    path = Path(__file__).parents[2] / "skeletons" / "schema.json"
    schema = json.loads(path.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    for name in SHIPPED:
        shipped = json.loads((path.parent / f"{name}.json").read_text(encoding="utf-8"))
        jsonschema.validate(shipped, schema)
        assert load_skeleton(name) == Skeleton.from_dict(shipped)
        jsonschema.validate(load_skeleton(name).to_dict(), schema)


def test_repr_shows_the_sizes() -> None:
    assert repr(load_skeleton("ntu25")) == "Skeleton('ntu25': 25 joints, 24 bones, 10 parts, xyz)"


def test_skeletons_are_loaded_by_path_and_subset(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(document(subsets={"arms": ["left_arm", "right_arm"]})))
    assert load_skeleton(str(file)) == load_skeleton(file)
    assert load_skeleton(f"{file}:arms").joints == ("left_arm", "right_arm")


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in document().items() if name != key}


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (
            document(joints="root"),
            r"f\.json: 'joints': 'root' is not of type 'array'; expected a list of joint",
        ),
        (document(joints=["root", 3]), r"f\.json: 'joints\[1\]': 3 is not of type 'string'; expected a name"),
        (document(bones=[["root", "top", "x"]]), r"'bones\[0\]': .* is too long; expected a pair of names"),
        (document(coordinates="polar"), r"'coordinates': 'polar' is not one of .*; expected one of xyz"),
        (document(parts=["root"]), r"'parts': \['root'\] is not of type 'object'; expected an object"),
        (
            document(parts={"trunk": []}),
            r"'parts\.trunk': \[\] should be non-empty; expected a list of joint names",
        ),
        (
            document(units=None),
            r"'units': None is not of type 'string'; expected the unit of the coordinates",
        ),
        (document(links=[]), r"f\.json: .*\('links' was unexpected\); expected a skeleton"),
        (without("center"), r"f\.json: 'center' is a required property; expected a skeleton"),
        (["root"], r"f\.json: \['root'\] is not of type 'object'; expected a skeleton"),
        (
            document(joints=["root"] * 2),
            r"f\.json: 'joints' has 'root' 2 times, expected every joint name once",
        ),
        (document(center="hip"), r"f\.json: 'center' is 'hip', expected one of the joints root, top"),
        (document(bones=[["root", "hip"]]), r"'bones\[0\]' has 'hip', expected one of the joints root, top"),
        (
            document(bones=[["top", "top"]]),
            r"'bones\[0\]' joins 'top' to itself, expected two different joints",
        ),
        (
            document(bones=[["root", "top"], ["top", "root"]]),
            r"'bones\[1\]' repeats top - root of 'bones\[0\]', expected every pair once",
        ),
        (document(bridges=[["top", "root"]]), r"'bridges\[0\]' repeats top - root of 'bones\[0\]'"),
        (document(bridges=[["top", "hip"]]), r"'bridges\[0\]' has 'hip', expected one of the joints"),
        (
            document(bones=[["root", "top"], ["left_arm", "left_hand"], ["right_arm", "right_hand"]]),
            r"'bones' gives a graph of 3 components "
            r"\(root, top; left_arm, left_hand; right_arm, right_hand\)",
        ),
        (
            document(parts={"trunk": ["root", "top", "hip"]}),
            r"'parts\.trunk' has 'hip', expected one of the joints",
        ),
        (
            document(parts={"trunk": ["root", "top"], "left": ["top"]}),
            r"'parts' has joint 'top' in 'trunk' and in 'left', expected every joint in exactly one part",
        ),
        (document(parts={"trunk": ["root", "root"]}), r"'parts' has joint 'root' in 'trunk' and in 'trunk'"),
        (
            document(parts={"trunk": ["root", "top"]}),
            r"'parts' has joint 'left_arm' in no part, expected every",
        ),
        (
            document(part_bones=[["trunk", "hip"]]),
            r"'part_bones\[0\]' has 'hip', expected one of the parts trunk",
        ),
        (document(part_bones=[["left", "left"]]), r"'part_bones\[0\]' joins 'left' to itself"),
        (
            document(part_bones=[["trunk", "left"]]),
            r"'part_bones' gives a graph of 2 components .*trunk, left; right",
        ),
        (document(mirror=[["left_arm", "hip"]]), r"'mirror\[0\]' has 'hip', expected one of the joints"),
        (document(mirror=[["top", "top"]]), r"'mirror\[0\]' joins 'top' to itself"),
        (
            document(mirror=[["left_arm", "right_arm"], ["left_arm", "right_hand"]]),
            r"'mirror' has 'left_arm' 2 times, expected a joint in one pair at most",
        ),
        (document(subsets={"arms": ["hip"]}), r"'subsets\.arms' has 'hip', expected one of the joints"),
        (
            document(subsets={"arms": ["top", "top"]}),
            r"'subsets\.arms' has 'top' 2 times, expected every joint once",
        ),
    ],
)
def test_errors_locate_the_problem_in_the_document(broken: Any, message: str, tmp_path: Path) -> None:
    file = tmp_path / "f.json"
    file.write_text(json.dumps(broken))
    with pytest.raises(ValueError, match=message) as caught:
        load_skeleton(file)
    assert str(caught.value).startswith(str(file))
    assert "\n" not in str(caught.value)


def test_the_constructor_checks_consistency() -> None:
    with pytest.raises(ValueError, match=r"^'center' is 'z', expected one of the joints a, b"):
        make("ab", "ab", center="z")
    with pytest.raises(
        ValueError, match=r"'coordinates' is 'polar', expected one of xyz, xy, xy\+score, expmap"
    ):
        Skeleton("x", ("a",), (), "a", {"all": ("a",)}, (), (), "polar", "m")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{\n "joints": [}', r"f\.json, line 2, column 13: Expecting value, expected a skeleton's JSON"),
        (b"", r"f\.json, line 1, column 1: Expecting value, expected a skeleton's JSON"),
        (b'{"name": "\xff"}', r"f\.json, byte 10: not UTF-8 text"),
        (b"[" * 10**5, r"f\.json: nested too deeply, expected a skeleton's JSON file"),
        (b'{"name": "x", "name": "y"}', r"f\.json: the key 'name' is repeated in one object, expected"),
    ],
)
def test_a_file_that_is_not_json_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "f.json").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        load_skeleton(tmp_path / "f.json")


def test_a_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    skeleton = load_skeleton("coco17")
    text = json.dumps(skeleton.to_dict())
    (tmp_path / "f.json").write_text(text, encoding="utf-8-sig")
    assert load_skeleton(tmp_path / "f.json") == skeleton


def test_errors_of_unknown_names_list_the_valid_names(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError,
        match=r"unknown skeleton 'ntu26' \(did you mean 'ntu25'\?\), expected azure32, .*, or the path of a",
    ):
        load_skeleton("ntu26")
    with pytest.raises(ValueError, match=r"skeleton 'cmu38' has no subset 'all'; its subsets: used"):
        load_skeleton("cmu38:all")
    with pytest.raises(ValueError, match=r"skeleton 'cmu38' has no subset ''; its subsets: used"):
        load_skeleton("cmu38:")
    with pytest.raises(ValueError, match=r"skeleton 'ntu25' has no subset 'used'; its subsets: none"):
        load_skeleton("ntu25:used")
    with pytest.raises(
        ValueError, match=r"skeleton 'coco17' has no joint 'spine'; its joints: nose, left_eye"
    ):
        load_skeleton("coco17").joint_index("spine")
    with pytest.raises(FileNotFoundError, match=r"no file .*absent\.json: expected a skeleton's JSON file"):
        load_skeleton(tmp_path / "absent.json")
    with pytest.raises(FileNotFoundError, match=r"no file"):
        load_skeleton(tmp_path)
