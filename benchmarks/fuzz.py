"""Fuzzing with random damaged and hostile input for readers, model documents, recipes and messages.

    python benchmarks/fuzz.py                            100,000 inputs
    python benchmarks/fuzz.py --count 2000 --seed 7 --kinds .bvh message
    python benchmarks/fuzz.py --only 7:1234:.bvh         a single input, as a failure prints it

Each input is a valid sample with random damage. A file must be read, or refused with `ValueError` or
`FileNotFoundError` in one line. Everything else is a failure: another exception, more than 10 seconds of
processor time, more than 2 GiB of memory, the start of a program, a connection, or a motion whose numbers are
not finite or do not fit its skeleton. Failures are printed with their seed; the exit code is 1 if there are
any.
"""

import argparse
import io
import json
import logging
import pickle
import random
import resource
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from serving import write_model

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.motion_file import write_motion
from pyg_sybio.data.reading import read_motions
from pyg_sybio.models.bounds import check_config_bounds
from pyg_sybio.skeleton import load_skeleton
from pyg_sybio.streaming.messages import Frame, parse_message
from pyg_sybio.trained.document import parse_document
from pyg_sybio.trained.load import load_trained
from pyg_sybio.trained.trained import Trained
from pyg_sybio.training import recipes

EXPECTED = (ValueError, FileNotFoundError)
SECONDS = 10
"""Processor time for one input."""

_WORDS = (
    b"nan", b"NaN", b"-Infinity", b"1e999", b"-1", b"0", b"1", b"1e308", b"0x10", b"1_0", b"9" * 5000,
    b"null", b"true", b"[]", b"{}", b"[[]]", b'""', b"\xff", b"\x00", b"\xef\xbb\xbf", b"1;1", b"\xd9\xa3",
    b"[" * 3000, b"!!python/object/apply:os.system ['true']", b"cos\nsystem\n(S'true'\ntR.", b"../../x",
)  # fmt: skip
_FORBIDDEN = ("os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen", "socket.connect")


class Failure(BaseException):
    """An operation that no input may cause; not an `Exception`, so that no reader handles it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Try the inputs, print the failures, and return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--count", type=int, default=100_000, metavar="N", help="number of inputs (default: 100000)")
    add("--seed", type=int, default=0, metavar="N", help="random seed (default: 0)")
    add("--kinds", nargs="+", metavar="KIND", help="types of input (default: all)")
    add("--only", metavar="SEED:NUMBER:KIND", help="try a single input")
    arguments = parser.parse_args(argv)
    size = 2**31 + int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size, resource.RLIM_INFINITY))
    guard()
    logging.getLogger("lightning").setLevel(logging.ERROR)
    logging.getLogger("lightning.fabric").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        targets = make_targets(Path(folder))
        kinds = arguments.kinds or [
            kind
            for kind in targets
            for _ in range(1 if kind == "recipe" else 60 if kind == "message" else 20)
        ]
        if unknown := set(kinds) - set(targets):
            parser.error(f"no kind {unknown.pop()!r}, expected some of {', '.join(targets)}")
        failures = 0
        refused, tried = Counter[str](), Counter[str]()
        for seed, number, kind in (
            [arguments.only.split(":")] if arguments.only else _inputs(arguments, kinds)
        ):
            rng = random.Random(f"{seed}:{number}:{kind}")
            tried[kind] += 1
            try:
                refused[kind] += not try_one(targets[kind], rng)
            except (Exception, Failure) as error:
                failures += 1
                text = " ".join(f"{type(error).__name__}: {error}".split())
                print(f"FAILURE {seed}:{number}:{kind}  {text[:300]}", flush=True)
                if arguments.only:
                    raise
        for kind in tried:
            print(f"{kind:<16} {tried[kind]:>7} inputs, {refused[kind]:>7} refused")
        print(f"seed {arguments.seed}: {sum(tried.values())} inputs, {failures} failures")
    return int(failures > 0)


def _inputs(arguments: argparse.Namespace, kinds: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    for number in range(arguments.count):
        yield arguments.seed, number, kinds[number % len(kinds)]


def guard() -> None:
    """Make forbidden operations and endless loops raise :class:`Failure`, for the rest of the process."""

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _FORBIDDEN:
            raise Failure(f"{event} {arguments!r:.100}")

    def late(*_: Any) -> None:
        raise Failure(f"more than {SECONDS} s")

    sys.addaudithook(audit)
    signal.signal(signal.SIGPROF, late)


# Targets --------------------------------------------------------------------------------------------------


class Target:
    """A reader of inputs, and valid samples.

    Args:
        samples: Valid inputs.
        read: Function that reads an input, and raises an error of :data:`EXPECTED` if it is invalid.
    """

    def __init__(self, samples: Sequence[bytes], read: Callable[[bytes], object]) -> None:
        self.samples = samples
        self.read = read


def try_one(target: Target, rng: random.Random) -> bool:
    """Damage a sample and read it; return whether it was read.

    Raises:
        Exception: If the input causes an unexpected error.
    """
    return read_safely(target, damaged(rng.choice(target.samples), rng, rng.choice(target.samples)))


def read_safely(target: Target, content: bytes) -> bool:
    """Read an input, and return whether it was valid; raises the errors of :func:`try_one`."""
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        target.read(content)
    except EXPECTED as error:
        text = str(error)
        assert text and "\n" not in text and len(text) < 2000, f"a message of {len(text)} characters"
        return False
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return True


def make_targets(folder: Path) -> Mapping[str, Target]:
    """Return the targets by type of input; their files are written to a folder."""
    targets = {}
    for suffix, samples in file_samples(folder).items():
        path = folder / f"input{suffix}"
        targets[suffix] = Target(samples, lambda content, path=path: _read_file(path, content))
    skeleton = load_skeleton("coco17")
    joints = [[0.1, 0.2, 0.9]] * 16 + [None]
    frame = {
        "type": "frame", "timestamp": 1.5,
        "people": [{"track": 3, "joints": joints}, {"joints": joints, "confidence": [0.5] * 17}],
    }  # fmt: skip
    messages = [json.dumps(frame).encode(), b'{"type": "reset", "track": 3}', b'{"type": "reset"}']
    targets["message"] = Target(messages, lambda content: _read_message(content, skeleton))
    write_model("demo", folder / "model")
    trained = load_trained(folder / "model")
    for kind, name, read in (
        ("document", "data.json", lambda value: Trained.from_document(trained.model, value)),
        ("config", "config.json", lambda value: check_config_bounds(value, "the config")),
    ):
        sample = (folder / "model" / name).read_bytes()
        targets[kind] = Target([sample], lambda content, read=read: read(parse_document(content.decode())))
    shapes = [load_skeleton(name).to_dict() for name in ("jhmdb15", "coco17")]
    skeleton_path = folder / "skeleton.json"
    targets["skeleton"] = Target(
        [json.dumps(each).encode() for each in shapes],
        lambda content: skeleton_path.write_bytes(content) and load_skeleton(skeleton_path),
    )
    recipe = folder / "recipe.yaml"
    texts = [recipes.recipe_path(name).read_bytes() for name in ("motion_folder", "synthetic")]
    targets["recipe"] = Target(
        texts, lambda content: recipe.write_bytes(content) and recipes.settings(str(recipe))
    )
    return targets


def _read_file(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    for motion in read_motions(path):
        shape = (
            motion.num_persons,
            motion.num_frames,
            motion.skeleton.num_joints,
            motion.skeleton.num_features,
        )
        assert motion.poses.shape == shape, f"poses {list(motion.poses.shape)}, expected {shape}"
        assert motion.present.shape == shape[:3], "the mask does not fit the poses"
        assert motion.poses[motion.present].isfinite().all(), "poses are not finite"
        assert motion.frame_rate is None or 0.001 <= motion.frame_rate <= 1e6, (
            "the frame rate is out of bounds"
        )


def _read_message(content: bytes, skeleton: Any) -> None:
    message = parse_message(content, skeleton)
    if isinstance(message, Frame):
        listed = json.loads(content)["people"]  # duplicate keys are refused
        assert len(message.poses) == len(listed)
        for person, pose in zip(listed, message.poses.values(), strict=True):
            for joint, row in zip(person["joints"], pose.tolist(), strict=True):
                known = joint is not None and None not in joint
                assert row == list(map(float, joint)) if known else np.isnan(row).all(), "a wrong pose"


# Damage ---------------------------------------------------------------------------------------------------


def damaged(content: bytes, rng: random.Random, other: bytes) -> bytes:
    """Damage a sample at one to four positions, sometimes with parts of another sample."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        if not content:
            break
        start = rng.randrange(len(content))
        stop = min(len(content), start + rng.choice((0, 1, 1, 4, 30, 500)))
        piece = rng.randrange(len(other))
        token = _token(content, start) if rng.random() < 0.5 else (start, stop)
        new = rng.choice(
            (
                b"",
                rng.randbytes(rng.choice((1, 4, 60))),
                rng.choice(_WORDS),
                rng.choice(_WORDS),
                other[piece : piece + rng.randrange(300)],
                content[start:stop] * rng.choice((2, 2, 50)),
            )
        )
        content = content[: token[0]] + new + content[token[1] :]
    return content[: rng.randrange(len(content) + 1)] if rng.random() < 0.05 else content


def _token(content: bytes, place: int) -> tuple[int, int]:
    """The start and the end of the word or number at a position."""
    ends = b" \t\r\n,:;[]{}\"'"
    start = stop = place
    while start > 0 and content[start - 1] not in ends:
        start -= 1
    while stop < len(content) and content[stop] not in ends:
        stop += 1
    return start, stop


# Samples --------------------------------------------------------------------------------------------------

_BVH = b"""HIERARCHY
ROOT Hips
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT LeftLeg
  {
    OFFSET 10 -40 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    End Site
    {
      OFFSET 0 -40 0
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.0333333
0 90 0 1 2 3 4 5 6
0 91 0 1 2 3 4 5 7
"""
_ASF = b""":version 1.10
:name sample
:units
  mass 1.0
  length 0.45
  angle deg
:root
  order TX TY TZ RX RY RZ
  axis XYZ
  position 0 0 0
  orientation 0 0 0
:bonedata
  begin
    id 1
    name leg
    direction 0.6 -0.8 0
    length 2.5
    axis 0 0 20 XYZ
    dof rx ry rz
  end
:hierarchy
  begin
    root leg
  end
"""
_AMC = b":FULLY-SPECIFIED\n:DEGREES\n1\nroot 0 1 2 3 4 5\nleg 1 2 3\n2\nroot 0 1 2 3 4 6\nleg 1 2 4\n"


def file_samples(folder: Path) -> dict[str, list[bytes]]:
    """Return small valid files by suffix. The ASF file that AMC needs is written to the folder."""
    rng = np.random.default_rng(0)
    (folder / "input.asf").write_bytes(_ASF)
    keypoints = np.concatenate([rng.uniform(0, 500, (4, 17, 2)), rng.uniform(0.1, 1, (4, 17, 1))], -1)
    flat = keypoints[0].round(2).ravel().tolist()
    motions = []
    for suffix, name in ((".npz", "ntu25"), (".json", "jhmdb15")):
        skeleton = load_skeleton(name)
        poses = torch.from_numpy(rng.normal(size=(1, 3, skeleton.num_joints, skeleton.num_features)))
        path = folder / f"sample{suffix}"
        write_motion(Motion(poses=poses.float(), skeleton=skeleton, frame_rate=30.0), path)
        motions.append(path.read_bytes())
    documents: list[Any] = [
        [{"image_id": "1.jpg", "category_id": 1, "keypoints": flat, "score": 2.5, "idx": 1}] * 2,
        {"data": [{"frame_index": 1, "skeleton": [{"pose": [0.5] * 36, "score": [0.9] * 18}]}], "label": "a",
         "label_index": 0},
        {"file_name": "a01_s01_e00_v01", "label": 1, "skeletons": rng.normal(size=(2, 20, 3)).tolist()},
        [{"version": 1.3, "people": [{"pose_keypoints_2d": [1.5, 2.5, 0.5] * 25}]}] * 2,
        {"images": [{"id": 1, "file_name": "1.jpg"}], "annotations": [
            {"image_id": 1, "category_id": 1, "track_id": 4, "keypoints": flat}
        ]},
    ]  # fmt: skip
    annotation = {
        "frame_dir": "a", "label": 1, "total_frames": 4, "keypoint": keypoints[None, ..., :2],
        "keypoint_score": keypoints[None, ..., 2], "img_shape": (480, 640),
    }  # fmt: skip
    columns = [f"{axis}{index}" for index in range(33) for axis in "xyzv"]
    rows = [columns, *rng.uniform(0.1, 0.9, (3, len(columns))).round(4).astype(str).tolist()]
    joint = "0.1 0.2 3 100 120 400 300 0.1 0.2 0.3 0.9 2"
    body = "\n".join(["1", "72057594037931101 0 1 1 0 0 0 0.1 0.2 2", "25", *[joint] * 25])
    return {
        ".npz": [motions[0], _npz(x_train=rng.normal(size=(2, 3, 150)), y_train=np.eye(2),
                                  x_test=rng.normal(size=(2, 3, 150)), y_test=np.eye(2))],
        ".json": [motions[1], *(json.dumps(each).encode() for each in documents)],
        ".npy": [_npy(keypoints), _npy(keypoints[..., :2])],
        ".pkl": [pickle.dumps({"split": {"train": ["a"]}, "annotations": [annotation]}, protocol=4)],
        ".csv": ["\n".join(map(",".join, rows)).encode()],
        ".skeleton": [f"2\n{body}\n{body}\n".encode()],
        ".bvh": [_BVH],
        ".amc": [_AMC],
        ".txt": ["\n".join(",".join(map(str, row)) for row in rng.normal(size=(3, 99)).round(4)).encode()],
    }  # fmt: skip


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _npz(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


if __name__ == "__main__":
    sys.exit(main())
