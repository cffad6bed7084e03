"""NTU RGB+D from generated raw files: the splits, and the prepared clips."""

import math
import pickle
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
import torch
from ntu_files import Body, write_ntu_file
from tiny_recipe import two_steps

from pyg_sybio.data.datasets.ntu_rgbd import NTURGBD
from pyg_sybio.data.datasets.ntu_samples import missing_skeletons
from pyg_sybio.training.recipes import fit

Write = Callable[..., Path]


def name(setup: int, camera: int, performer: int, repetition: int, action: int) -> str:
    return f"S{setup:03}C{camera:03}P{performer:03}R{repetition:03}A{action:03}"


def sources(clips: NTURGBD) -> list[str]:
    return [Path(clips.store.clips[span.clip].source).stem for span in clips.spans]


# Setup, camera, performer, repetition, action: performers 1, 2 and 81 are for training; 3, 40 and 106 for
# testing.
SAMPLES = [
    *((s, c, p, 1, a) for s in (1, 2) for c in (1, 2, 3) for p in (1, 3) for a in (1, 50)),
    *((17, c, p, 2, 60) for c in (1, 2, 3) for p in (2, 40)),
    *((s, 1, p, 1, a) for s in (18, 31) for p in (81, 106) for a in (61, 120)),
]
MISSING = min(name for name in missing_skeletons() if int(name[-3:]) <= 60)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of both benchmarks in folders, one with missing skeletons and one without a body."""
    folder = tmp_path_factory.mktemp("ntu")
    rng = np.random.default_rng(0)
    for sample in SAMPLES:
        below = folder / ("nturgb+d_skeletons" if sample[0] <= 17 else "more/nturgb+d_skeletons")
        below.mkdir(parents=True, exist_ok=True)
        write_ntu_file(below / f"{name(*sample)}.skeleton", rng, num_frames=13 + sample[4] % 7)
    (folder / f"{MISSING}.skeleton").write_text("this file must not be read")
    (folder / "readme.txt").write_text("nor this one")
    write_ntu_file(folder / f"{name(1, 2, 1, 2, 7)}.skeleton", rng, num_frames=14, bodies=())
    return folder


@pytest.fixture
def make(root: Path) -> Callable[..., NTURGBD]:
    def build(**arguments: object) -> NTURGBD:
        settings = {"root": root, "num_observed": 12, "num_future": 4, "validation": None}
        return NTURGBD.from_settings(**(settings | arguments))  # type: ignore[arg-type]

    return build


pytestmark = pytest.mark.filterwarnings("ignore:1 clips are left out")


def expected_names(
    training: Callable[[tuple[int, ...]], bool], samples: Iterable[tuple[int, ...]]
) -> set[str]:
    return {name(*sample) for sample in samples if training(sample)}


@pytest.mark.parametrize(
    ("classes", "protocol", "training"),
    [
        (60, "cross-subject", lambda s: s[2] in (1, 2)),
        (60, "cross-view", lambda s: s[1] in (2, 3)),
        (120, "cross-subject", lambda s: s[2] in (1, 2, 81)),
        (120, "cross-setup", lambda s: s[0] % 2 == 0),
    ],
)
def test_every_clip_is_in_its_split(
    make: Callable[..., NTURGBD], classes: int, protocol: str, training: Callable[[tuple[int, ...]], bool]
) -> None:
    samples = [s for s in SAMPLES if classes == 120 or s[4] <= 60]
    train, test = (make(classes=classes, protocol=protocol, split=split) for split in ("train", "test"))
    assert set(sources(train)) == {name(*s) for s in samples if training(s)}
    assert set(sources(test)) == {name(*s) for s in samples if not training(s)}
    assert len(train) + len(test) == len(samples)
    fewer, val = (
        make(classes=classes, protocol=protocol, split=split, validation=0.3) for split in ("train", "val")
    )
    assert set(sources(fewer)).isdisjoint(sources(val))
    assert sorted(sources(fewer) + sources(val)) == sorted(sources(train))


def test_labels_are_the_numbers_of_the_actions(make: Callable[..., NTURGBD]) -> None:
    for classes in (60, 120):
        clips = make(classes=classes, protocol="cross-subject")
        assert clips.num_classes == classes
        assert [int(clip.y) + 1 for clip in clips] == [int(source[-3:]) for source in sources(clips)]
    assert (clips.class_names[0], clips.class_names[49]) == ("drink water", "punching/slapping other person")
    assert clips.frame_rate == 30.0


def test_a_warning_names_clips_without_a_body(make: Callable[..., NTURGBD]) -> None:
    with pytest.warns(UserWarning, match=rf"1 clips are left out: .*{name(1, 2, 1, 2, 7)}.*SomebodySeen"):
        make()


def test_a_sample_without_preprocessing_has_the_last_frames_of_its_file(
    make: Callable[..., NTURGBD], root: Path
) -> None:
    clips = make(preprocess=[], fill=[])
    index = sources(clips).index(name(17, 3, 2, 2, 60))
    path = next(root.rglob(f"{name(17, 3, 2, 2, 60)}.skeleton"))
    lines = path.read_text().split("\n")
    rows = [line.split()[:3] for line in lines if len(line.split()) == 12]
    frames = torch.tensor(np.array(rows, dtype=np.float32)).view(-1, 25, 3)  # 17 frames of one body
    torch.testing.assert_close(clips[index].x.transpose(0, 1), frames[1:13])
    torch.testing.assert_close(clips[index].future.transpose(0, 1), frames[13:])
    whole = make(preprocess=[], fill=[], reserved=0)[index]
    torch.testing.assert_close(whole.x.transpose(0, 1), frames[-12:])


def test_a_clip_is_centred_and_rotated_upright_without_deformation(make: Callable[..., NTURGBD]) -> None:
    raw, clips = make(preprocess=[], fill=[]), make()
    joint = clips.skeleton.joint_index
    for index in range(len(clips)):
        first, before = clips.motion(index).poses[0], raw.motion(index).poses[0]
        torch.testing.assert_close(torch.cdist(first, first), torch.cdist(before, before), rtol=0, atol=2e-4)
        assert first[0, joint("spine")].abs().max() < 1e-5
        up = first[0, joint("spine")] - first[0, joint("pelvis")]
        across = first[0, joint("left_shoulder")] - first[0, joint("right_shoulder")]
        assert up[:2].abs().max() < 1e-5 and up[2] > 0
        assert across[1].abs() < 1e-5 and across[0] > 0


def test_the_frames_before_a_person_appears_are_filled(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    bodies = (Body(11), Body(22, start=14), Body(33, start=0, stop=3))  # body 33 is dropped as too brief
    write_ntu_file(tmp_path / f"{name(1, 1, 1, 1, 58)}.skeleton", rng, num_frames=40, bodies=bodies)
    clips = NTURGBD.from_settings(root=tmp_path, num_observed=30, num_future=10, validation=None)
    motion, sample = clips.motion(0), clips[0]
    assert set(motion.tracks) == {11, 22}
    late = motion.tracks.index(22)
    seen = motion.seen[late]
    assert seen.tolist() == [False] * 14 + [True] * 26
    x = sample.x.unflatten(0, (2, 25)).transpose(1, 2)
    torch.testing.assert_close(x[late, 14:], motion.poses[late, 14:30])
    # The frames before the person appears repeat the person's sequence, which ends just before the first real
    # frame.
    torch.testing.assert_close(x[late, :14], motion.poses[late, [14 + (t - 14) % 16 for t in range(14)]])
    assert sample.future_mask.all()
    hidden = NTURGBD.from_settings(root=tmp_path, num_observed=30, num_future=10, validation=None, fill=[])[0]
    assert not hidden.x.unflatten(0, (2, 25))[late, :, :14].any()


def test_a_body_that_reappears_with_another_id_is_one_person(tmp_path: Path) -> None:
    bodies = (Body(11, stop=20), Body(22, start=22))
    path = tmp_path / f"{name(1, 1, 1, 1, 1)}.skeleton"
    write_ntu_file(path, np.random.default_rng(2), num_frames=40, bodies=bodies)
    motion = NTURGBD.from_settings(root=tmp_path, validation=None).motion(0)
    assert motion.num_persons == 1
    assert motion.seen[0].tolist() == [True] * 20 + [False] * 2 + [True] * 18


def test_two_of_three_simultaneous_bodies_are_kept_without_empty_frames(tmp_path: Path) -> None:
    bodies = [Body(number, start=5, stop=35) for number in (11, 22, 33)]
    path = tmp_path / f"{name(1, 1, 1, 1, 1)}.skeleton"
    write_ntu_file(path, np.random.default_rng(3), num_frames=40, bodies=bodies)
    raw = NTURGBD.from_settings(root=tmp_path, validation=None, preprocess=[]).motion(0)
    motion = NTURGBD.from_settings(root=tmp_path, validation=None).motion(0)
    assert (raw.num_persons, raw.num_frames, motion.num_persons, motion.num_frames) == (3, 40, 2, 30)
    variance = raw.poses[:, 5:35].double().var(1, correction=0).sum((1, 2))
    order = variance.argsort(descending=True).tolist()
    assert motion.tracks == tuple(raw.tracks[person] for person in order[:2])


def test_60_and_120_classes_have_separate_stores(root: Path, tmp_path: Path) -> None:
    for _ in range(2):
        for classes in (60, 120):
            NTURGBD.from_settings(root=root, classes=classes, validation=None, cache=str(tmp_path))
    # If the key of a store were only its files, the two stores would replace each other every time.
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 2


def test_data_loader_workers_get_the_same_clips(make: Callable[..., NTURGBD]) -> None:
    clips = make()
    sent = pickle.dumps(clips)
    assert len(sent) < 50_000  # the pickle refers to the store, without frames
    for one, other in zip(pickle.loads(sent), clips, strict=True):
        assert torch.equal(one.x, other.x) and torch.equal(one.future, other.future)


def test_groups_can_be_held_out_for_validation(make: Callable[..., NTURGBD]) -> None:
    val = make(split="val", validation={"subject": ["2"]})
    assert {source[8:12] for source in sources(val)} == {"P002"}
    assert make(split="val", window_stride=2, validation={"subject": ["2"]}).spans[0].stop == 16


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"protocol": "cs"}, "'protocol' is 'cs', expected one of cross-subject, cross-view"),
        ({"classes": 49}, "'classes' is 49, expected 60 or 120"),
        ({"split": "val"}, "'validation' is None, expected"),
        ({"split": "tests"}, "'split' is 'tests'"),
    ],
)
def test_wrong_arguments_are_refused(
    make: Callable[..., NTURGBD], arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make(**arguments)


def test_wrong_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere is not a folder, expected files such as S001"):
        NTURGBD.from_settings(root=tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"has no file of NTU RGB\+D with 60 classes"):
        NTURGBD.from_settings(root=tmp_path)
    file = tmp_path / f"{name(1, 1, 1, 1, 1)}.skeleton"
    write_ntu_file(file, np.random.default_rng(0), num_frames=13)
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / file.name).write_bytes(file.read_bytes())
    with pytest.raises(ValueError, match="is a second file of the same sample"):
        NTURGBD.from_settings(root=tmp_path)
    file.rename(tmp_path / "walk.skeleton")
    with pytest.raises(ValueError, match=r"walk\.skeleton is not named like a sample"):
        NTURGBD.from_settings(root=tmp_path)


@pytest.mark.parametrize("recipe", ["ntu_cross_subject", "ntu_cross_view"])
def test_the_recipes_train(recipe: str, root: Path, tmp_path: Path) -> None:
    cli = fit(recipe, two_steps(root, tmp_path))
    metrics = cli.trainer.callback_metrics
    assert cli.trainer.global_step == 2
    assert {"val_loss", "val_mpjpe_mm", "val_accuracy"} <= set(metrics)
    assert all(math.isfinite(value) for value in metrics.values())
