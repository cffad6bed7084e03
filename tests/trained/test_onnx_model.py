"""An exported model has the interface and the outputs of the original; errors for invalid files."""

import json
import re
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from exported_models import ABOUT, FUTURE, OnnxFile, onnx_file, small_model
from onnx import helper, numpy_helper
from torch import Tensor
from torch_geometric.data import Batch, Data

from pyg_sybio.models.sybio_gnn import SybioOutput
from pyg_sybio.trained.onnx_model import OnnxModel

FIELDS = ("logits", "future", "actional")


@pytest.fixture(scope="module")
def single() -> tuple[OnnxFile, OnnxModel]:
    file = onnx_file("joints alone")
    return file, OnnxModel(file.content)


@pytest.fixture(scope="module")
def several() -> tuple[OnnxFile, OnnxModel]:
    file = onnx_file("persons")
    return file, OnnxModel(file.content)


def assert_same(came: SybioOutput, expected: SybioOutput) -> None:
    for name in FIELDS:
        torch.testing.assert_close(getattr(came, name), getattr(expected, name), atol=1e-4, rtol=1e-4)
    assert came.bone_future is None
    assert torch.equal(came.present, expected.present)


def test_an_exported_model_has_the_attributes_of_the_original(single: tuple[OnnxFile, OnnxModel]) -> None:
    (model, _, _), exported = single
    for name in ("skeleton", "in_channels", "num_classes", "num_future", "config"):
        assert getattr(exported, name) == getattr(model, name)
    assert exported.about == ABOUT
    assert not exported.persons
    assert not exported.training
    assert repr(exported) == "OnnxModel('jhmdb15', outputs=['logits', 'future', 'actional'], persons=False)"


@pytest.mark.parametrize("kind", ["joints alone", "persons"])
@pytest.mark.parametrize("shape", [(1, 30), (7, 50), (1, 1, 40), (3, 1, 64)])
def test_outputs_for_clips_of_one_person_equal_pytorch(kind: str, shape: tuple[int, ...]) -> None:
    model, content, _ = onnx_file(kind)
    x = torch.randn(*shape, model.skeleton.num_joints, model.in_channels)
    with torch.no_grad():
        assert_same(OnnxModel(content)(x), model(x))


def test_outputs_for_clips_of_several_persons_equal_pytorch(several: tuple[OnnxFile, OnnxModel]) -> None:
    (model, _, _), exported = several
    x = torch.randn(3, 2, 30, 26, 3)
    x[1, 1] = 0
    with torch.no_grad():
        assert_same(exported(x), model(x))
        assert not exported(x).present[1, 1]
        everyone = torch.ones(3, 2, dtype=torch.bool)
        assert_same(exported(x, everyone), model(x, everyone))


def test_outputs_for_a_batch_of_graphs_equal_pytorch(
    single: tuple[OnnxFile, OnnxModel], several: tuple[OnnxFile, OnnxModel]
) -> None:
    for (model, _, _), exported in (single, several):
        joints, features = model.skeleton.num_joints, model.in_channels
        persons = (1, 2, 1) if exported.persons else (1, 1)
        batch = Batch.from_data_list([Data(x=torch.randn(each * joints, 30, features)) for each in persons])
        with torch.no_grad():
            assert_same(exported(batch), model(batch))


def test_inputs_in_double_precision_are_rounded(single: tuple[OnnxFile, OnnxModel]) -> None:
    x = torch.randn(2, 30, 15, 2)
    torch.testing.assert_close(single[1](x.double()).future, single[1](x).future, atol=0, rtol=0)


def test_fewer_future_frames_can_be_requested(single: tuple[OnnxFile, OnnxModel]) -> None:
    (model, _, _), exported = single
    x = torch.randn(2, 30, 15, 2)
    with torch.no_grad():
        assert_same(exported(x, num_future=2), model(x, num_future=2))


@pytest.mark.slow
def test_outputs_that_were_not_exported_are_none() -> None:
    out = OnnxModel(onnx_file("recognition").content)(torch.randn(2, 30, 15, 2))
    assert out.logits is not None
    assert (out.future, out.actional) == (None, None)
    predictor = OnnxModel(onnx_file("prediction").content)
    out = predictor(torch.randn(2, 30, 15, 2))
    assert (out.logits, out.actional) == (None, None)
    assert out.future is not None
    # Only two frames and no classes were exported.
    assert (out.future.shape[1], predictor.num_future, predictor.num_classes) == (2, 2, 0)


@pytest.mark.parametrize("num_threads", [1, 2])
def test_the_number_of_threads_does_not_change_the_results(num_threads: int) -> None:
    model, content, _ = onnx_file("joints alone")
    x = torch.randn(4, 30, 15, 2)
    with torch.no_grad():
        assert_same(OnnxModel(content, num_threads=num_threads)(x), model(x))


@pytest.mark.parametrize(
    ("x", "arguments", "message"),
    [
        (torch.zeros(2, 30, 25, 2), {}, "'x' has 25 joints, but skeleton 'jhmdb15' has 15"),
        (torch.zeros(2, 30, 15, 3), {}, "'x' has 3 features per joint, but the model expects 2"),
        (torch.zeros(2, 0, 15, 2), {}, "'x' is empty"),
        (torch.zeros(30, 15, 2), {}, r"'x' must be \[N, T, M, D\]"),
        (torch.full((2, 30, 15, 2), torch.nan), {}, "'x' contains NaN"),
        (torch.ones(2, 3, 30, 15, 2), {}, "'x' has 3 persons per clip, but the model was exported for one"),
        (torch.zeros(2, 1, 30, 15, 2), {}, "none is present in clip 0"),
        (torch.zeros(2, 30, 15, 2), {"num_future": 4}, f"'num_future' is 4, expected 1 to {FUTURE}"),
        (torch.zeros(2, 30, 15, 2), {"num_future": 0}, f"'num_future' is 0, expected 1 to {FUTURE}"),
        (
            torch.zeros(2, 30, 15, 2),
            {"present": torch.ones(2, 1)},
            "'present' is given, but 'x' has no person",
        ),
    ],
)
def test_inputs_that_were_not_exported_are_refused(
    x: Tensor, arguments: dict[str, Any], message: str, single: tuple[OnnxFile, OnnxModel]
) -> None:
    with pytest.raises(ValueError, match=message):
        single[1](x, **arguments)


def test_an_exported_model_cannot_be_trained(single: tuple[OnnxFile, OnnxModel]) -> None:
    with pytest.raises(ValueError, match="an exported model is only for evaluation"):
        single[1].train()


# Files ----------------------------------------------------------------------------------------------------


def changed(**metadata: str | None) -> bytes:
    """An intact file whose metadata have been changed; None removes an entry."""
    proto = onnx.load_model_from_string(onnx_file("joints alone").content)
    values = {each.key: each.value for each in proto.metadata_props}
    values |= {f"pyg_sybio.{key}": value for key, value in metadata.items()}  # type: ignore[misc]
    del proto.metadata_props[:]
    for key, value in values.items():
        if value is not None:
            proto.metadata_props.add(key=key, value=value)
    content: bytes = proto.SerializeToString()
    return content


def config(**changes: Any) -> str:
    return json.dumps(onnx_file("joints alone").model.config | changes)


def other_skeleton() -> dict[str, Any]:
    skeleton: dict[str, Any] = small_model("ntu25").config["skeleton"]
    return skeleton


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"format": None}, "not an ONNX file that 'sybio export onnx' wrote: .* but found none"),
        ({"format": "2"}, "expected 'pyg_sybio.format' 1 in its metadata, but found '2'"),
        ({"model": None}, "'pyg_sybio.model' of its metadata, line 1, column .* expected JSON"),
        ({"model": "{"}, "'pyg_sybio.model' of its metadata, line 1, column .* expected JSON"),
        ({"model": "[1]"}, "'pyg_sybio.model' of its metadata must be an object"),
        ({"model": "[" * 100_000}, "'pyg_sybio.model' of its metadata: nested too deeply"),
        ({"model": "{}"}, "the model's config"),
        ({"about": "3"}, "'pyg_sybio.about' of its metadata must be an object"),
        ({"model": lambda: config(in_channels="2")}, "'in_channels': '2' is not .*; expected an integer"),
        ({"model": lambda: config(num_classes=-1)}, "'num_classes': -1 is less than .*; expected an integer"),
        ({"model": lambda: config(in_channels=3)}, r"expected an input 'poses' that ends in \[15, 3\]"),
        ({"model": lambda: config(skeleton=other_skeleton())}, r"expected an input .* skeleton 'ntu25'"),
    ],
)
def test_invalid_metadata_are_refused(metadata: dict[str, Any], message: str) -> None:
    values = {key: value() if callable(value) else value for key, value in metadata.items()}
    with pytest.raises(ValueError, match=message):
        OnnxModel(changed(**values), where="their.onnx")


@pytest.mark.parametrize("content", [b"", b"no protobuf", b"\x08\x07" * 50])
def test_files_that_are_not_onnx_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "their.onnx"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"their\.onnx is not an ONNX file"):
        OnnxModel.load(path)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_truncated_file_is_refused(share: float, tmp_path: Path) -> None:
    content = onnx_file("joints alone").content
    path = tmp_path / "half.onnx"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=r"half\.onnx is not an ONNX file"):
        OnnxModel.load(path)


def test_weights_in_another_file_are_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    proto = onnx.load_model_from_string(onnx_file("joints alone").content)
    onnx.save(proto, str(tmp_path / "their.onnx"), save_as_external_data=True, location="w", size_threshold=0)
    monkeypatch.chdir(tmp_path)  # where the file of the weights is
    with pytest.raises(ValueError, match=r"their\.onnx: the numbers of '.*' are in another file"):
        OnnxModel.load("their.onnx")


def altered(change: Callable[[onnx.ModelProto], object]) -> bytes:
    """An intact file whose graph has been changed."""
    proto = onnx.load_model_from_string(onnx_file("recognition").content)
    change(proto)
    content: bytes = proto.SerializeToString()
    return content


def refusal(change: Callable[[onnx.ModelProto], object]) -> str:
    with pytest.raises(ValueError, match=r"^their\.onnx") as caught:
        OnnxModel(altered(change), where="their.onnx")
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 500
    return message


def elsewhere(tensor: onnx.TensorProto) -> onnx.TensorProto:
    """A tensor whose data are in another file."""
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    return tensor


NUMBERS = helper.make_tensor("numbers", onnx.TensorProto.FLOAT, [2], [1, 2])
PLACES = helper.make_tensor("places", onnx.TensorProto.INT64, [2], [0, 1])
EXTERNAL = elsewhere(helper.make_tensor("numbers", onnx.TensorProto.FLOAT, [2], [1, 2]))
EMPTY = helper.make_graph([], "inner", [], [])


def with_node(operator: str, inputs: list[str] | None = None, **attributes: Any) -> Callable[[Any], object]:
    return lambda proto: proto.graph.node.append(
        helper.make_node(operator, inputs or [], ["unused"], **attributes)
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda proto: elsewhere(proto.graph.initializer[0]), "are in another file"),
        (lambda proto: proto.graph.initializer[0].external_data.add(key="location"), "are in another file"),
        (with_node("Constant", value=EXTERNAL), "the numbers of 'numbers' are in another file"),
        (
            with_node("Constant", sparse_value=helper.make_sparse_tensor(EXTERNAL, PLACES, [4])),
            "the numbers of 'numbers' are in another file",
        ),
        (
            lambda proto: elsewhere(proto.graph.sparse_initializer.add(dims=[4], values=NUMBERS).indices),
            "are in another file",
        ),
        (with_node("Something", tensors=[NUMBERS, EXTERNAL]), "are in another file"),
        (with_node("If", ["c"], then_branch=EMPTY, else_branch=EMPTY), r"loops or branches \(If\)"),
        (with_node("Loop", ["n", "c"], body=EMPTY), r"loops or branches \(Loop\)"),
        (with_node("Something", graphs=[EMPTY]), r"loops or branches \(Something\)"),
        (with_node("Something", domain="com.other"), "defines functions, expected only standard"),
        (lambda proto: proto.functions.add(name="f"), "defines functions"),
        (lambda proto: proto.training_info.add(), "defines functions"),
        (lambda proto: proto.graph.initializer[0].dims.append(10**12), "has shape .*, but fewer numbers"),
        (lambda proto: proto.graph.initializer[0].dims.append(-1), "has shape .*, but fewer numbers"),
        (
            lambda proto: proto.graph.node.extend([helper.make_node("Relu", ["poses"], ["x"])] * 50_001),
            r"the graph has \d+ nodes, expected at most 50000",
        ),
        (
            lambda proto: proto.metadata_props.add(key="long", value="x" * 2**23),
            "the metadata are too long, expected at most 4194304 characters",
        ),
        (with_node("NoSuchOperator"), "is not an ONNX file that can be run"),
    ],
)
def test_graphs_with_unsupported_content_are_refused(change: Any, message: str) -> None:
    assert re.search(message, refusal(change))


def grows(*nodes: tuple[str, list[str], str]) -> Callable[[onnx.ModelProto], None]:
    """Add the mean of a large tensor to the logits of the graph."""

    def change(proto: onnx.ModelProto) -> None:
        graph = proto.graph
        for node in graph.node:
            node.output[:] = ["few" if name == "logits" else name for name in node.output]
            node.input[:] = ["few" if name == "logits" else name for name in node.input]
        million = np.ones(2**18, np.float32)
        graph.initializer.append(numpy_helper.from_array(million, "x0"))
        graph.initializer.append(numpy_helper.from_array(np.array([2**40]), "huge"))
        graph.initializer.append(numpy_helper.from_array(np.array([2**16, 1]), "many"))
        made = [helper.make_node(operator, inputs, [output]) for operator, inputs, output in nodes]
        for node in made:
            if node.op_type == "Concat":
                node.attribute.append(helper.make_attribute("axis", 0))
        last = made[-1].output[0]
        made += [
            helper.make_node("ReduceMean", [last], ["mean of theirs"], keepdims=0),
            helper.make_node("Add", ["few", "mean of theirs"], ["logits"]),
        ]
        graph.node.extend(made)

    return change


@pytest.mark.parametrize(
    "nodes",
    [
        [("Expand", ["x0", "many"], "x1")],
        [("Expand", ["x0", "huge"], "x1")],
        [("ConstantOfShape", ["huge"], "x1")],
        [("Concat", [f"x{number}", f"x{number}"], f"x{number + 1}") for number in range(12)],
    ],
)
def test_graphs_that_need_much_memory_are_refused(nodes: Any) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    message = refusal(grows(*nodes))
    assert "cannot be evaluated" in message or "is not an ONNX file that can be run" in message
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1.2 * 2**20  # kilobytes


def test_graphs_that_need_much_time_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyg_sybio.trained.onnx_model.MAX_SECONDS", 0.2)
    nodes = [("Sin", [f"x{number}"], f"x{number + 1}") for number in range(20_000)]
    assert "cannot be evaluated" in refusal(grows(*nodes))


def test_a_graph_whose_output_has_another_shape_is_refused() -> None:
    message = refusal(grows(("Expand", ["x0", "many"], "x1"), ("Identity", ["few"], "x2")))
    assert "cannot be evaluated" in message

    def change(proto: onnx.ModelProto) -> None:
        grows(("Identity", ["few"], "x1"))(proto)
        proto.graph.node[-1].CopyFrom(helper.make_node("Concat", ["few", "few"], ["logits"], axis=1))
        del proto.graph.output[1].type.tensor_type.shape.dim[:]

    assert "'logits' has shape [1, 10] and type float32, expected [1, 5] and float32" in refusal(change)


def test_many_clips_are_run_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind, shape in (("joints alone", (7, 30, 15, 2)), ("persons", (7, 2, 20, 26, 3))):
        model, x = OnnxModel(onnx_file(kind).content), torch.randn(shape)
        expected = model(x)
        for size in (1, 3 * x[0].numel()):
            monkeypatch.setattr("pyg_sybio.trained.onnx_model._PIECE", size)
            assert_same(model(x), expected)
        monkeypatch.undo()


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no file .*missing\.onnx: expected an \.onnx file"):
        OnnxModel.load(tmp_path / "missing.onnx")
