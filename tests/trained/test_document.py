"""Every value of an untrusted document is checked."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import torch
from live_models import small_checkpoint

from pyg_sybio.data.datasets.standardize import Normalisation, used_columns
from pyg_sybio.data.registry import register_transform
from pyg_sybio.data.splits import NOT_SHARED, TRANSFORMS
from pyg_sybio.data.transforms import MotionTransform
from pyg_sybio.files import read_json
from pyg_sybio.skeleton import load_skeleton
from pyg_sybio.trained import document as document_module
from pyg_sybio.trained.digest import arrays_digest, weights_digest
from pyg_sybio.trained.document import FORMAT, MAX_TRANSFORMS, check_document, parse_document
from pyg_sybio.trained.trained import Trained

CMU, USED = load_skeleton("cmu38"), load_skeleton("cmu38:used")
Edit = Callable[[dict[str, Any]], Any]


@pytest.fixture(scope="module")
def rotations() -> Trained:
    mean, deviation = torch.rand(2, 117, dtype=torch.float64) + 0.5
    used = used_columns(CMU, USED)
    return small_checkpoint(
        "CMUMocap", USED, normalisation=Normalisation(mean, deviation, used, used[5:]), num_future=5
    )


@pytest.fixture(scope="module")
def text(rotations: Trained) -> str:
    return json.dumps(rotations.document("0" * 64))


def statistics(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["preparation"]["preprocess"][0]["arguments"]["normalisation"]
    return found


def training(**settings: Any) -> Edit:
    return lambda d: d["training"]["settings"].update(settings)


def preprocess(**transform: Any) -> Edit:
    return lambda d: d["preparation"].update(preprocess=[transform])


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda d: d.update(format=3), "'format': .*; expected format 2"),
        (
            lambda d: d.pop("digest"),
            "'digest' is a required property; expected a document with format, class",
        ),
        (lambda d: d.update(digest="0" * 63), "'digest': .*; expected a SHA-256 of the weights"),
        (lambda d: d.update(more=1), r"\('more' was unexpected\)"),
        (lambda d: d.update(class_names=["a", "a", "b"]), "'class_names': .*different names"),
        (lambda d: d.update(class_names=["a", "b", "\x1b[2J"]), "'class_names.*without control characters"),
        (lambda d: d.update(class_names=["a", "b", "c\n"]), "'class_names.*without control characters"),
        (lambda d: d.update(class_names=["a"] * 10_001), "'class_names': "),
        (lambda d: d.update(seen_classes=[True]), "'seen_classes' has 1 entries, expected 3, one per class"),
        (lambda d: d.update(seen_classes=[1, 0, 1]), "'seen_classes.*; expected"),
        (
            lambda d: d["preparation"].update(frame_rate=0),
            "'preparation.frame_rate': .*; expected a frame rate",
        ),
        (
            lambda d: d["preparation"].update(frame_rate=1e7),
            "'preparation.frame_rate': .*from 0.001 to 10000",
        ),
        (lambda d: d["preparation"].update(frame_rate=1e999), "a number that is not finite or too large"),
        (lambda d: d["preparation"].update(num_observed=0), "'preparation.num_observed': .*from 1 to 10000"),
        (lambda d: d["preparation"].update(num_observed=10**7), "'preparation.num_observed': .*1 to 10000"),
        (
            lambda d: d["preparation"].update(padding="zero"),
            "'preparation.padding': .*expected repeat, hold, null",
        ),
        (lambda d: d["preparation"].update(root="/etc"), "'root' was unexpected"),
        (preprocess(name="os.system"), "'preparation.preprocess.*name': .*; expected a name"),
        (preprocess(name="Pad", arguments={"num_frames": 10**9}), "num_frames': .*"),
        (preprocess(name="Smooth", arguments={"std": 1e300}), "std': a number .* too large"),
        (preprocess(name="Smooth", arguments={"std": 1e16}), "std': .*; expected a plain value"),
        (preprocess(name="Center", arguments={"joint": "../../x"}), "joint': .*strings have no slashes"),
        (preprocess(name="Center", arguments={"joint": [[[[[1]]]]]}), "joint.*; expected a plain value"),
        (preprocess(name="Center", path="x"), "'path' was unexpected"),
        (lambda d: d["views"].update(mirror="w"), "'views.mirror': .*; expected x, y, z, null"),
        (lambda d: d["views"].update(parts=[[0, 2]]), "'views.parts.*; expected a number from 0 to 1"),
        (lambda d: d["views"].update(parts=[[0.5, 0.2]]), "'part' is .*expected two fractions"),
        (lambda d: d["views"].update(parts=[[0, 1]] * 33), "'views.parts'"),
        (lambda d: d["training"].update(epoch=True), "'training.epoch': .*; expected a non-negative integer"),
        (
            lambda d: d["training"].update(batch_size=10**6),
            "'training.batch_size': .*; expected a batch size",
        ),
        (lambda d: d["training"].update(folder="../x"), "'training.folder': .*; expected the plain name"),
        (lambda d: d["training"].update(folder="/etc"), "'training.folder': .*; expected the plain name"),
        (lambda d: d["training"].update(folder="a\n"), "'training.folder': .*; expected the plain name"),
        (lambda d: d["training"].update(dataset="a.B"), "'training.dataset': .*; expected a name"),
        (training(root="x"), "'training.settings': .*root.*; expected a setting for model files"),
        (training(cache="x"), "'training.settings': .*cache.*; expected a setting for model files"),
        (training(pattern="x"), "'training.settings': .*pattern.*; expected a setting for model files"),
        (training(labels="x"), "'training.settings': .*labels.*; expected a setting for model files"),
        (training(skeleton="x"), "'training.settings': .*skeleton.*; expected a setting for model files"),
        (training(num_processes=9), "'training.settings': .*num_processes.*; expected a setting for model"),
        (training(name="http://example.org"), "'training.settings.name': .*strings have no slashes"),
        (training(num_future=10**8), "'training.settings.num_future': "),
        (training(num_clips=10**8), "'training.settings.num_clips': "),
        (training(fill="x"), "'training.settings.fill'"),
    ],
)
def test_wrong_values_are_refused(edit: Edit, message: str, text: str) -> None:
    document = parse_document(text)
    check_document(document)
    edit(document)
    with pytest.raises(ValueError, match=message) as error:
        check_document(document)
    assert len(str(error.value)) < 400 and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda d: statistics(d).pop("mean"), "expected the lists mean, deviation, used, varying, got 'dev"),
        (lambda d: statistics(d)["mean"].pop(), "116 means, 117 deviations, 78 used columns"),
        (
            lambda d: statistics(d)["used"].append(117),
            "expected columns from 0 to 116 in 'used' and 'varying'",
        ),
        (
            lambda d: statistics(d)["used"].reverse(),
            "the statistics have 78 of 117 columns, expected 78 of 117",
        ),
        (lambda d: statistics(d)["used"].__setitem__(0, True), "expected columns from 0 to 116"),
        (lambda d: statistics(d)["varying"].append(0), "different 'used' columns, and 'varying' among them"),
        (lambda d: statistics(d)["deviation"].__setitem__(3, "1"), "expected finite numbers in 'mean' and"),
        (
            lambda d: statistics(d)["deviation"].__setitem__(3, 0.0),
            "'deviation' has 0.0, expected numbers above",
        ),
        (
            lambda d: d["preparation"].update(preprocess=[]),
            "gives skeleton 'cmu38', but the model has 'cmu38:us",
        ),
        (preprocess(name="Popen"), "names 'Popen', which is not a registered transform"),
        (
            preprocess(name="Center", arguments={"joints": 1}),
            "has the unknown key 'joints': Center accepts joint",
        ),
        (preprocess(name="Smooth", arguments={"std": -1}), "Smooth cannot be made: 'std'"),
        (lambda d: d["preparation"]["skeleton"].pop("bones"), "bones"),
    ],
)
def test_values_that_do_not_fit_the_model_are_refused(
    edit: Edit, message: str, text: str, rotations: Trained
) -> None:
    document = parse_document(text)
    Trained.from_document(rotations.model, document)
    edit(document)
    with pytest.raises(ValueError, match=message):
        Trained.from_document(rotations.model, document)


def test_the_schema_has_the_same_names_and_bounds_as_the_package() -> None:
    schema = read_json(Path(document_module.__file__).with_suffix(".schema.json"))
    jsonschema.Draft202012Validator.check_schema(schema)
    definitions = schema["$defs"]
    settings = definitions["settings"]
    assert settings["propertyNames"]["not"]["enum"] == list(NOT_SHARED)
    assert settings["properties"].keys() - definitions["arguments"]["properties"].keys() == {*TRANSFORMS}
    assert definitions["transforms"]["maxItems"] == MAX_TRANSFORMS
    assert schema["properties"]["format"]["const"] == FORMAT
    for each in (schema, *schema["properties"].values(), *definitions.values()):
        if each.get("type") == "object" and "required" in each:
            assert each["description"].endswith(f" with {', '.join(each['properties'])}")


def test_a_document_is_strict_json() -> None:
    for wrong, message in (
        (b"{}", "expected a document of at most"),
        ("[" * 10_000, "nested too deeply"),
        ('{"format": 2, "format": 2}', "the key 'format' is repeated"),
        ('{"format": NaN}', "NaN is not JSON"),
        (" " * (2**22 + 1), "expected a document of at most 4194304 characters"),
    ):
        with pytest.raises(ValueError, match=message):
            parse_document(wrong)


class Mine(MotionTransform):
    def __init__(self, *, size: int) -> None:
        self.size = size

    def forward(self, motion: Any) -> Any:
        return motion


def test_a_transform_of_the_user_is_saved_if_it_is_registered() -> None:
    trained = small_checkpoint()
    own = replace(trained, preparation=replace(trained.preparation, preprocess=(Mine(size=3),)))
    with pytest.raises(ValueError, match=r"\.Mine is not registered, so no model file can name it"):
        own.document("0" * 64)
    register_transform(Mine)
    document = json.loads(json.dumps(own.document("0" * 64)))
    (step,) = Trained.from_document(own.model, document).preparation.preprocess
    assert isinstance(step, Mine) and step.size == 3


def test_a_digest_depends_on_names_types_shapes_and_bytes() -> None:
    weights = {"a": torch.arange(6.0), "b": torch.zeros(0), "c": torch.ones((), dtype=torch.bfloat16)}
    digests = {weights_digest(weights), weights_digest(dict(reversed(weights.items())))}
    assert len(digests) == 1
    for changed in (
        {"a": torch.arange(6.0).view(2, 3)},
        {"a": torch.arange(6)},
        {"a": torch.arange(6.0).double()},
        {"a": torch.tensor([0.0, 1, 2, 3, 4, 5.000001])},
        {"b": torch.zeros(0, 3)},
        {"c": torch.tensor(1.0078125, dtype=torch.bfloat16)},
        {"d": torch.zeros(1)},
    ):
        digests.add(weights_digest({**weights, **changed}))
    assert len(digests) == 8
    transposed = torch.arange(6.0).view(2, 3).T
    assert weights_digest({"a": transposed}) == weights_digest({"a": transposed.contiguous()})
    assert arrays_digest([("a", "x", [1], b"12")]) != arrays_digest(
        [("a", "x", [1], b"1"), ("", "", [], b"2")]
    )
