"""Hostile files and extreme recordings in a process that may use only 1 GiB more than it needs to start."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pyg_sybio.models.sybio_gnn import SybioGNN
from pyg_sybio.skeleton import load_skeleton

_LIMITED = """
import resource, sys
from pathlib import Path
import torch
from pyg_sybio.data.readers.plain_pickle import load_plain_pickle
from pyg_sybio.data.reading import read_motion
from pyg_sybio.models.sybio_gnn import SybioGNN
from pyg_sybio.trained.preparation import Preparation
from pyg_sybio.trained.torch_file import read_torch_file

used = next(line for line in open("/proc/self/status") if line.startswith("VmData")).split()[1]
limit = 1024 * int(used) + 2**30
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
path = Path(sys.argv[1])
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc and limits its own memory"),
]


def limited(code: str, path: Path) -> str:
    """Run code on a path with limited memory, and return its output."""
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED + code, str(path)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_memory_limit_is_enforced(tmp_path: Path) -> None:
    code = "try:\n    torch.empty(2**29).fill_(1)\nexcept (RuntimeError, MemoryError):\n    print('too much')"
    assert limited(code, tmp_path) == "too much"


@pytest.mark.parametrize("rate", [1e-3, 0.1, 1e4, 1e6])
@pytest.mark.parametrize("frame_rate", [1e-3, 30, 1e4])
def test_a_recording_of_any_rate_is_prepared(rate: float, frame_rate: float, tmp_path: Path) -> None:
    poses = np.random.default_rng(0).normal(size=(2, 5000, 25, 3)).astype(np.float32)
    np.savez(tmp_path / "file.npz", poses=poses, skeleton="ntu25", frame_rate=rate)
    code = (
        "motion = read_motion(path)\n"
        f"preparation = Preparation(skeleton=motion.skeleton, num_observed=64, frame_rate={frame_rate})\n"
        "print(preparation(motion).observed.num_frames)"
    )
    assert limited(code, tmp_path / "file.npz") == "64"


@pytest.mark.parametrize(
    ("name", "value"),
    [("hops", 10**7), ("channels", [4096, 4096]), ("num_future", 10**9), ("actional_channels", 4096)],
)
def test_a_config_of_a_large_model_is_refused_in_bounded_memory(
    name: str, value: object, tmp_path: Path
) -> None:
    model = SybioGNN.from_preset("realtime", skeleton=load_skeleton("ntu25"), num_classes=4, num_future=3)
    model.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, name: value}))
    code = "try:\n    SybioGNN.from_pretrained(path)\nexcept ValueError as error:\n    print(error)"
    assert "expected" in limited(code, tmp_path) or "has only" in limited(code, tmp_path)


def test_the_largest_accepted_model_is_built_in_bounded_memory(tmp_path: Path) -> None:
    model = SybioGNN.from_preset(
        "ntu", skeleton=load_skeleton("ntu25"), num_classes=120, num_future=10, shared_branches=False
    )
    model.save_pretrained(tmp_path)
    assert limited("print(len(SybioGNN.from_pretrained(path).config))", tmp_path) == str(len(model.config))


@pytest.mark.parametrize("content", [b"\x80\x04" + b"]" * 2**24 + b".", b"\x80\x04" + b"\x8f" * 2**24 + b"."])
def test_a_pickle_of_many_containers_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "file.pkl").write_bytes(content)
    code = "try:\n    load_plain_pickle(path)\nexcept ValueError as error:\n    print(error)"
    assert "container number" in limited(code, tmp_path / "file.pkl")
