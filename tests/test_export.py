"""ONNX files have the outputs of the model for the chosen task; wrong files are not written."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from exported_models import ABOUT, FUTURE, onnx_file, small_model
from marks import slow
from torch import Tensor, nn
from torch_geometric.data import Data

import pyg_sybio
from pyg_sybio import export
from pyg_sybio.export import ExportError, export_onnx
from pyg_sybio.models.sybio_gnn import SybioGNN, SybioOutput
from pyg_sybio.testing import randomize

WHOLE = ["joints alone", "persons", slow("both networks")]


@cache
def session_of(content: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def run(content: bytes, **inputs: Tensor) -> dict[str, Tensor]:
    """Run a file in onnxruntime directly, and return the outputs by name."""
    session = session_of(content)
    names = [output.name for output in session.get_outputs()]
    values = session.run(names, {name: value.numpy() for name, value in inputs.items()})
    return dict(zip(names, map(torch.from_numpy, values), strict=True))


def motions(model: SybioGNN, *shape: int) -> Tensor:
    return torch.randn(*shape, model.skeleton.num_joints, model.in_channels)


def weights(content: bytes) -> int:
    """Return the number of weights that the operators of a file use."""
    graph = onnx.load_model_from_string(content).graph
    floats = [each for each in graph.initializer if each.data_type == onnx.TensorProto.FLOAT]
    return sum(int(np.prod(each.dims)) for each in floats)


@pytest.mark.parametrize("kind", WHOLE)
@pytest.mark.parametrize("num_clips", [1, 7])
@pytest.mark.parametrize("num_frames", [30, 50, 64, 100])
def test_exported_outputs_equal_the_outputs_of_pytorch(kind: str, num_clips: int, num_frames: int) -> None:
    model, content, _ = onnx_file(kind)
    persons = [1] if kind == "persons" else []
    x = motions(model, num_clips, *persons, num_frames)
    came = run(
        content, poses=x, **({"present": torch.ones(num_clips, 1, dtype=torch.bool)} if persons else {})
    )
    with torch.no_grad():
        expected = model(x)
    assert expected.logits is not None
    assert list(came) == ["probabilities", "logits", "future", "actional"]
    poses = (FUTURE, model.skeleton.num_joints, model.in_channels)
    assert came["future"].shape == (num_clips, *persons, *poses)
    for name in ("logits", "future", "actional"):
        torch.testing.assert_close(came[name], getattr(expected, name), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(came["probabilities"], expected.logits.softmax(-1), atol=1e-5, rtol=0)


def test_an_exported_model_accepts_any_number_of_frames() -> None:
    # Every number of frames is tested, because a traced graph may be wrong for only a few numbers.
    model, content, _ = onnx_file("joints alone")
    for num_frames in (*range(1, 30), *range(30, 150, 7), 50, 83):
        x = motions(model, 2, num_frames)
        with torch.no_grad():
            expected = model(x).future
        torch.testing.assert_close(run(content, poses=x)["future"], expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("num_clips", "num_persons", "num_frames"), [(1, 1, 30), (7, 2, 100), (3, 4, 41)])
def test_exported_outputs_for_several_persons_equal_the_outputs_of_pytorch(
    num_clips: int, num_persons: int, num_frames: int
) -> None:
    model, content, _ = onnx_file("persons")
    x = motions(model, num_clips, num_persons, num_frames)
    present = torch.rand(num_clips, num_persons) < 0.5
    present[:, -1] = True
    x[~present] = torch.nan  # values of absent persons are arbitrary
    came = run(content, poses=x, present=present)
    with torch.no_grad():
        expected = model(x, present)
    for name in ("logits", "future", "actional"):
        torch.testing.assert_close(came[name], getattr(expected, name), atol=1e-4, rtol=1e-4)
    assert not came["future"][~present].any()


def test_a_file_for_recognition_has_no_prediction_head() -> None:
    model, content, exported = onnx_file("recognition")
    assert exported.outputs == ("probabilities", "logits")
    x = motions(model, 2, 40)
    came = run(content, poses=x)
    with torch.no_grad():
        torch.testing.assert_close(came["logits"], model(x).logits, atol=1e-4, rtol=1e-4)
    # The file has the same weights as a model without prediction.
    without = sum(each.numel() for each in small_model(prediction=False).parameters())
    head = sum(each.numel() for each in model.parameters()) - without
    assert weights(onnx_file("joints alone").content) - weights(content) > 0.8 * head
    assert not any("gru" in each.name for each in onnx.load_model_from_string(content).graph.initializer)


def test_a_file_for_prediction_has_no_output_except_the_future() -> None:
    model, content, exported = onnx_file("prediction")
    assert exported.outputs == ("future",)
    x = motions(model, 2, 40)
    with torch.no_grad():
        expected = model(x, num_future=2).future
    torch.testing.assert_close(run(content, poses=x)["future"], expected, atol=1e-4, rtol=1e-4)


def test_dimensions_of_an_exported_model_have_names() -> None:
    def shapes(kind: str) -> dict[str, list[Any]]:
        graph = onnx.load_model_from_string(onnx_file(kind).content).graph
        return {
            each.name: [dim.dim_param or dim.dim_value for dim in each.type.tensor_type.shape.dim]
            for each in (*graph.input, *graph.output)
        }

    assert shapes("joints alone") == {
        "poses": ["clips", "frames", 15, 2],
        "probabilities": ["clips", 5],
        "logits": ["clips", 5],
        "future": ["clips", FUTURE, 15, 2],
        "actional": ["clips", 15, 15],
    }
    assert shapes("persons")["poses"] == ["clips", "persons", "frames", 26, 3]
    assert shapes("persons")["present"] == ["clips", "persons"]
    assert shapes("persons")["future"] == ["clips", "persons", FUTURE, 26, 3]


def test_the_metadata_describe_the_model() -> None:
    model, content, exported = onnx_file("joints alone")
    assert exported.num_bytes == len(content)
    assert set(exported.differences) == {"logits", "future", "actional"}
    assert all(0 <= value < 1e-5 for value in exported.differences.values())
    facts = {each.key: each.value for each in onnx.load_model_from_string(content).metadata_props}
    assert facts["pyg_sybio.format"] == "1"
    assert json.loads(facts["pyg_sybio.model"]) == model.config
    assert json.loads(facts["pyg_sybio.about"]) == ABOUT


def test_the_file_contains_no_local_paths() -> None:
    here = (Path(pyg_sybio.__file__).parent, Path(torch.__file__).parent, Path.home())
    for folder in here:
        assert str(folder).encode() not in onnx_file("joints alone").content


class Lost(SybioGNN):
    """A model whose outputs become constants in the exported file."""

    def forward(
        self, batch: Data | Tensor, present: Tensor | None = None, num_future: int | None = None
    ) -> SybioOutput:
        assert isinstance(batch, Tensor)
        return super().forward(batch * 0 if torch.compiler.is_compiling() else batch, present, num_future)


def test_an_export_with_constant_outputs_is_refused(tmp_path: Path) -> None:
    # The probabilities differ so little between motions that a constant is within the tolerance.
    one_block = {"channels": [8], "strides": [2], "fusions": []}
    model = Lost.from_config(small_model(**one_block).config)
    randomize(model)
    head = model.joint_network.recognition_head  # type: ignore[union-attr]
    assert head is not None
    nn.init.normal_(head.classifier.weight, std=1e-6)
    path = tmp_path / "constant.onnx"
    with pytest.raises(
        ExportError, match="'logits' hardly depends on the motion in onnxruntime: it differs by"
    ):
        export_onnx(model.eval(), path, task="recognition")
    assert not list(tmp_path.iterdir())


def test_an_export_with_wrong_outputs_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, content, _ = onnx_file("joints alone")
    broken = onnx.load_model_from_string(content)
    matrices = [
        each
        for each in broken.graph.initializer
        if len(each.dims) > 1 and each.data_type == onnx.TensorProto.FLOAT
    ]
    for each in matrices:
        each.raw_data = bytes(len(each.raw_data))
    monkeypatch.setattr(export, "_translated", lambda graph: broken)
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"what was there before")
    with pytest.raises(ExportError, match=r"'logits' differs between onnxruntime and PyTorch for 1 clips"):
        export_onnx(model, path)
    assert path.read_bytes() == b"what was there before"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_model_with_constant_outputs_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = onnx.load_model_from_string(onnx_file("recognition").content)
    silent = small_model()
    head = silent.joint_network.recognition_head  # type: ignore[union-attr]
    assert head is not None
    nn.init.zeros_(head.classifier.weight)
    monkeypatch.setattr(export, "_translated", lambda graph: other)
    monkeypatch.setattr(export, "TOLERANCE", float("inf"))
    with pytest.raises(ExportError, match="'logits' of the PyTorch model is the same for different motions"):
        export_onnx(silent, tmp_path / "silent.onnx", task="recognition")


@pytest.mark.parametrize(
    ("variant", "settings", "message"),
    [
        ({}, {"task": "both"}, "'task' is 'both', expected one of all, recognition, prediction"),
        ({}, {"num_future": 0}, "'num_future' must be at least 1, but it is 0"),
        (
            {"recognition": False},
            {"task": "recognition"},
            "'task' is 'recognition', but the model was trained without it",
        ),
        (
            {"prediction": False},
            {"task": "prediction"},
            "'task' is 'prediction', but the model was trained without it",
        ),
        ({}, {"about": {"frame_rate": float("nan")}}, "not JSON compliant"),
    ],
)
def test_invalid_arguments_of_an_export_are_refused(
    variant: dict[str, Any], settings: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        export_onnx(small_model(**variant), tmp_path / "model.onnx", **settings)
    assert not list(tmp_path.iterdir())
