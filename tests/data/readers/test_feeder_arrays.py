"""Arrays of all clips in one archive, compared with NumPy, and hundreds of damaged archives."""

import io
import re
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mutations import Mutation, assert_safe, mutations

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.feeder_arrays import MAX_CLIP_BYTES, read_feeder_arrays
from pyg_sybio.skeleton import load_skeleton

NTU25 = load_skeleton("ntu25")
Arrays = dict[str, np.ndarray]


def arrays(num_clips: int = 3, num_frames: int = 6, num_classes: int = 4, dtype: Any = np.float32) -> Arrays:
    """Each clip is shorter than the previous one; the second person is only in clip 0, from frame 2."""
    generator = np.random.default_rng(0)
    result = {}
    for split in ("train", "test"):
        x = generator.normal(size=(num_clips, num_frames, 2, 25, 3)).astype(dtype)
        for index in range(num_clips):
            x[index, num_frames - index :] = 0
        x[1:, :, 1] = 0
        x[0, :2, 1] = 0
        x[:, :, :, 1] = 0  # centred on this joint
        result[f"x_{split}"] = x.reshape(num_clips, num_frames, 150)
        result[f"y_{split}"] = np.eye(num_classes)[generator.integers(num_classes, size=num_clips)]
    return result


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "arrays.npz"


def packed(values: Arrays, save: Callable[..., None] = np.savez) -> bytes:
    file = io.BytesIO()
    save(file, **values)
    return file.getvalue()


def written(path: Path, values: Arrays, save: Callable[..., None] = np.savez) -> Path:
    path.write_bytes(packed(values, save))
    return path


def naive(content: bytes) -> list[Motion] | None:
    """Read the motions with whole arrays and loops; None if NumPy cannot read the archive."""
    motions = []
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            for split in ("train", "test"):
                x, y = (
                    file[f"x_{split}"].reshape(-1, len(file[f"x_{split}"][0]), 2, 25, 3),
                    file[f"y_{split}"],
                )
                for index, clip in enumerate(x):
                    while len(clip) > 1 and not clip[-1].any():
                        clip = clip[:-1]
                    persons = [person for person in range(2) if clip[:, person].any()] or [0]
                    poses = torch.tensor(np.stack([clip[:, person] for person in persons]).astype(np.float32))
                    present = torch.zeros(poses.shape[:3], dtype=torch.bool)
                    for p in range(len(persons)):
                        for t in range(len(clip)):
                            present[p, t] = bool(poses[p, t].any())
                    (label,) = np.argwhere(y[index] == 1)[0]
                    motions.append(
                        Motion(
                            poses=poses,
                            present=present,
                            skeleton=NTU25,
                            label=str(label),
                            ids={"split": split},
                            tracks=tuple(persons),
                            source=f"x_{split}[{index}]",
                        )
                    )
    except Exception:
        return None
    return motions


def read(path: Path) -> list[Motion]:
    motions = read_feeder_arrays(path)
    return [motion.replace(source=motion.source.removeprefix(f"{path}: ")) for motion in motions]


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4"])
def test_clips_equal_clips_read_by_numpy(path: Path, save: Callable[..., None], dtype: Any) -> None:
    values = arrays(dtype=dtype)
    found, expected = read(written(path, values, save)), naive(path.read_bytes())
    assert expected is not None and len(found) == 6
    assert all(one.equal(other) for one, other in zip(found, expected, strict=True))
    assert [motion.num_frames for motion in found] == [6, 5, 4] * 2
    assert [motion.num_persons for motion in found] == [2, 1, 1] * 2
    assert not found[0].present[1, :2].any() and found[0].present[1, 2:].all()
    assert found[0].present[:, 3, 1].all()  # the joint at the origin
    assert [int(motion.label) for motion in found[:3]] == values["y_train"].argmax(1).tolist()  # type: ignore[arg-type]


def test_frames_of_zeros_are_padding_only_at_the_end(path: Path) -> None:
    values = arrays()
    values["x_train"][0, :2] = 0
    values["x_train"][1] = 0
    first, nobody, *_ = read(written(path, values))
    assert first.num_frames == 6 and not first.present[:, :2].any() and first.present[:, 2:].all()
    assert nobody.poses.shape == (1, 1, 25, 3) and not nobody.present.any()


def test_clips_with_only_the_second_person_keep_the_index_of_this_person(path: Path) -> None:
    values = arrays()
    values["x_train"].reshape(3, 6, 2, 75)[0, :, 0] = 0
    assert read(written(path, values))[0].tracks == (1,)


def test_one_hot_labels_may_have_any_number_type(path: Path) -> None:
    values = arrays()
    for dtype in (bool, np.uint8, np.int64, np.float16):
        values["y_train"] = values["y_train"].astype(dtype)
        assert read(written(path, values))[0].label == str(values["y_train"][0].argmax())


def test_another_skeleton_can_be_given(path: Path) -> None:
    skeleton = load_skeleton("smpl24")
    values = arrays()
    values |= {name: values[name][..., :144] for name in ("x_train", "x_test")}
    motion = next(read_feeder_arrays(written(path, values), skeleton=skeleton))
    assert motion.poses.shape[-2:] == (24, 3) and motion.frame_rate is None
    with pytest.raises(ValueError, match=r"array 'x_train': has shape \[3, 6, 144\], expected \[N, T, 150\]"):
        read(path)
    with pytest.raises(ValueError, match="'skeleton' 'cmu38' has coordinates 'expmap', expected 'xyz'"):
        next(read_feeder_arrays(path, skeleton=load_skeleton("cmu38")))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_only_one_clip_is_in_memory(path: Path, save: Callable[..., None]) -> None:
    written(path, arrays(num_clips=100, num_frames=60), save)
    size = 100 * 60 * 150 * 4
    tracemalloc.start()
    for motion in read_feeder_arrays(path):
        assert motion.num_frames <= 60
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < size / 10


def with_value(name: str, place: tuple[Any, ...], value: Any) -> Callable[[Arrays], None]:
    return lambda values: values[name].__setitem__(place, value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda values: values.pop("y_test"), "has no array 'y_test', expected x_train, y_train, x_test and"),
        (
            with_value("x_test", (1, 2, 3), np.nan),
            "array 'x_test': clip 1 has nan at [2, 3], expected a finite",
        ),
        (with_value("y_test", (2, 3), 0.5), "array 'y_test', clip 2 has"),
        (with_value("y_test", (1, slice(None)), 0), "array 'y_test', clip 1 has [], expected a single 1"),
        (
            with_value("y_test", (1, slice(None)), [0, 0.5, 0, 0]),
            "'y_test', clip 1 has [0.5], expected a single 1",
        ),
        (
            with_value("y_test", (0, slice(None)), 1),
            "array 'y_test', clip 0 has [1.0, 1.0, 1.0, 1.0], expected a single 1",
        ),
        (with_value("y_test", (0, slice(None)), np.inf), "array 'y_test': clip 0 has inf"),
        (lambda values: values.update(y_train=np.arange(3)), "'y_train': has shape [3], expected [N, C]"),
        (lambda values: values.update(y_test=np.eye(4)), "'y_test' has 4 clips, but 'x_test' has 3"),
        (lambda values: values.update(x_train=np.zeros(())), "'y_train' has 3 clips, but 'x_train' has 0"),
        (
            lambda values: values.update(x_train=np.zeros((3, 6, 2, 75))),
            "array 'x_train': has shape [3, 6, 2, 75], expected [N, T, 150]",
        ),
        (
            lambda values: values.update(x_train=np.zeros((3, 0, 150))),
            "shape [3, 0, 150], expected [N, T, 150]",
        ),
        (lambda values: values.update(x_train=np.zeros((3, 6, 150), int)), "int64, expected floating point"),
        (
            lambda values: values.update(y_train=np.full((3, 2), "a")),
            "'y_train': holds <U1, expected numbers",
        ),
        (lambda values: values.update(x_test=np.asfortranarray(values["x_test"])), "is in Fortran order"),
    ],
)
def test_errors_name_the_array(path: Path, change: Callable[[Arrays], Any], message: str) -> None:
    values = arrays(dtype=np.float64)
    change(values)
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        read(written(path, values))
    assert str(caught.value).count(str(path)) == 1


def test_a_split_without_clips_is_an_error(path: Path) -> None:
    values = arrays()
    values |= {name: values[name][:0] for name in ("x_test", "y_test")}
    with pytest.raises(ValueError, match=r"array 'x_test': has shape \[0, 6, 150\], expected \[N, T, 150\]"):
        read(written(path, values))


def member(shape: tuple[int, ...], zeros: int) -> bytes:
    """The header of an array with any shape, followed by some zeros."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file,
        {"descr": "<f4", "fortran_order": False, "shape": shape},  # type: ignore[arg-type]
    )
    return file.getvalue() + bytes(zeros)


@pytest.mark.parametrize(
    ("shape", "zeros", "message"),
    [
        ((10**12, 300, 150), 600, "600 bytes of values, but float32"),
        ((3, 10**9, 150), 600, "600 bytes of values, but float32"),
        ((3, 28000, 150), 3 * 28000 * 600, f"has 16800000 bytes per clip, expected at most {MAX_CLIP_BYTES}"),
    ],
)
def test_huge_arrays_take_no_memory(path: Path, shape: tuple[int, ...], zeros: int, message: str) -> None:
    values = arrays()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("y_train", "x_test", "y_test"):
            file = io.BytesIO()
            np.save(file, values[name])
            archive.writestr(f"{name}.npy", file.getvalue())
        archive.writestr("x_train.npy", member(shape, zeros))
    if shape[0] != 3:
        message = "600 bytes of values"
    tracemalloc.start()
    with pytest.raises(ValueError, match=re.escape(message)):
        list(read_feeder_arrays(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_damaged_files_are_refused_or_read_correctly(path: Path, save: Callable[..., None]) -> None:
    sound = packed(arrays(num_frames=2, num_clips=2), save)
    damaged = mutations(sound, seed=4, text=False)
    assert assert_safe(read, path, damaged, right=naive) > 150


def test_damaged_arrays_in_intact_archives_are_refused_or_read_correctly(path: Path) -> None:
    sound = packed(arrays(num_frames=2, num_clips=2))
    inner = io.BytesIO()
    np.save(inner, arrays(num_frames=2, num_clips=2)["x_train"])
    rebuilt = []
    for mutation in mutations(inner.getvalue()[:400], seed=5, count=200, text=False):
        file = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(sound)) as old, zipfile.ZipFile(file, "w") as new:
            for info in old.infolist():
                content = old.read(info)
                if info.filename == "x_train.npy":
                    content = mutation.content + content[400:]
                new.writestr(info.filename, content)
        rebuilt.append(Mutation(mutation.name, file.getvalue()))
    assert assert_safe(read, path, rebuilt, right=naive) > 80


def test_changed_values_are_detected_by_the_checksum(path: Path) -> None:
    values = arrays()
    values["x_train"][0, 0, 0] = 123.5
    content = written(path, values).read_bytes()
    before, after = (np.float32(value).tobytes() for value in (123.5, 124.5))
    assert content.count(before) == 1
    path.write_bytes(content.replace(before, after))
    motions = read_feeder_arrays(path)
    assert [next(motions).num_frames for _ in range(2)] == [6, 5]
    with pytest.raises(ValueError, match=r"arrays\.npz, array 'x_train'.* CRC-32"):
        next(motions)


def test_objects_are_not_unpickled(path: Path) -> None:
    values = arrays()
    values["y_train"] = np.array([{"a": 1}] * 3, dtype=object)
    with pytest.raises(ValueError, match=r"array 'y_train': .*pickle"):
        read(written(path, values))
