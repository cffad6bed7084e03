"""NTU RGB+D and NTU RGB+D 120: the largest benchmarks of action recognition from Kinect skeletons."""

from pathlib import Path

from pyg_sybio.data.datasets.motion_dataset import MotionDataset, Transforms
from pyg_sybio.data.datasets.ntu_samples import missing_skeletons
from pyg_sybio.data.datasets.protocols import Validation, ntu_protocol, select
from pyg_sybio.data.datasets.two_tasks import ObservationRatio
from pyg_sybio.data.folder_walk import paths_below
from pyg_sybio.data.readers.ntu import ACTIONS, FRAME_RATE, ids_from_name, read_ntu
from pyg_sybio.data.store.store import prepare
from pyg_sybio.data.transforms import (
    AlignView,
    Center,
    FillNullFrames,
    JoinTracks,
    SelectBodies,
    TrimNullFrames,
)

# Setups and classes of NTU RGB+D in the names of the files of both.
NTU60_SETUPS, NTU60_CLASSES = 17, 60


class NTURGBD(MotionDataset):
    r"""NTU RGB+D (60 classes) or NTU RGB+D 120, from the raw `.skeleton` files.

    Up to two persons, the one who moves most first; centred on its spine and turned to a common view in its
    first frame; the last 10 frames are to be predicted. The label of a clip is the number of its action minus
    one, whichever files exist. The samples whose skeletons are missing or incomplete, by the lists of the
    authors (302 and 535 names), are left out.

    Args:
        root: The folder of the files, in subfolders or not.
        classes: 60 or 120. With 60, files of the 120 classes' extension are left out.
        protocol: `"cross-subject"`, `"cross-view"` (60 classes) or `"cross-setup"` (120 classes).
        split: `"train"`, `"val"` or `"test"`.
        validation: What is held out of training as `"val"`: a share of the clips of each class, or groups
            such as `{"subject": ["1"]}`; None trains on all, as published figures do.
        num_observed: Frames in `x`; a clip of the benchmark has at most 300 frames.
        num_future: Frames in `future`.
        window_stride: Frames from one window to the next. (default: a clip is one sample)
        preprocess: What is done to a clip once. (default: `default_preprocess`; an empty list does nothing)
        augment: What changes a clip before it is split.
        corrupt: What changes the observed frames.
        fill: What fills the observed frames. (default: `default_fill`; an empty list fills nothing)
        reserved: Frames at the end of a whole clip that are never observed. (default: `num_future`)
        observation_ratio: The share of what could be observed that is, or a range of shares
            (:class:`~pyg_sybio.data.datasets.motion_dataset.MotionDataset`).
        padding: How too few observed frames are filled: `"repeat"` or `"hold"`.
        cache: Where prepared clips are kept (:func:`~pyg_sybio.data.store.store.prepare`).
        num_processes: How many processes prepare.
        progress: Whether to show the progress.

    Raises:
        FileNotFoundError: If `root` is no folder or has no file of the benchmark.
        ValueError: If an argument is wrong, a file is damaged, has another name or exists twice, or the split
            is empty.

    Source: Shahroudy et al., "NTU RGB+D: A Large Scale Dataset for 3D Human Activity Analysis" (2016); Liu et
    al., "NTU RGB+D 120" (2019); https://github.com/shahroudy/NTURGB-D
    """

    default_preprocess = (
        # A body that the sensor loses comes back with another number: join them before two are chosen.
        SelectBodies(num_bodies=10),
        JoinTracks(),
        SelectBodies(num_bodies=2),
        TrimNullFrames(),
        Center(joint="spine"),
        AlignView(vertical=("pelvis", "spine"), horizontal=("right_shoulder", "left_shoulder")),
    )
    """The benchmark's preparation of a clip: bodies and noise, null frames, centring, view."""
    default_fill = (FillNullFrames(mode="repeat"),)
    """The benchmark's way to fill the observed frames before a person comes and after it has left."""

    def __init__(
        self,
        *,
        root: str | Path,
        classes: int = 60,
        protocol: str = "cross-subject",
        split: str = "train",
        validation: Validation = 0.05,
        num_observed: int = 290,
        num_future: int = 10,
        window_stride: int | None = None,
        preprocess: Transforms | None = None,
        augment: Transforms | None = None,
        corrupt: Transforms | None = None,
        fill: Transforms | None = None,
        reserved: int | None = None,
        observation_ratio: ObservationRatio = 1.0,
        padding: str = "repeat",
        cache: str | None = None,
        num_processes: int | None = None,
        progress: bool = True,
    ) -> None:
        root = Path(root)
        rule = ntu_protocol(protocol, classes)
        store = prepare(
            files=_find_files(root, classes),
            read=read_ntu,
            preprocess=self.preparation(preprocess),
            settings={"classes": classes},
            root=root,
            cache=cache,
            num_processes=num_processes,
            progress=progress,
        )
        self.split = split
        super().__init__(
            store=store,
            clips=select(store.clips, rule, split, validation=validation),
            class_names=ACTIONS[:classes],
            num_observed=num_observed,
            num_future=num_future,
            window_stride=window_stride,
            frame_rate=FRAME_RATE,
            augment=augment,
            corrupt=corrupt,
            fill=fill,
            reserved=reserved,
            observation_ratio=observation_ratio,
            padding=padding,
        )


def _find_files(root: Path, classes: int) -> list[Path]:
    """The files of the benchmark that have a skeleton, in the order of their names."""
    expected = "expected files such as S001C001P001R001A001.skeleton there"
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is not a folder, {expected}")
    found: dict[str, Path] = {}
    missing = missing_skeletons()
    for path in paths_below(root):
        if path.suffix != ".skeleton" or path.stem in missing or not _belongs(path, classes):
            continue
        if path.stem in found:
            raise ValueError(
                f"{path} is there a second time as {found[path.stem]}, expected each sample once"
            )
        found[path.stem] = path
    if not found:
        raise FileNotFoundError(f"{root} has no file of NTU RGB+D with {classes} classes, {expected}")
    return [found[name] for name in sorted(found)]


def _belongs(path: Path, classes: int) -> bool:
    """Whether a file is of the benchmark with that many classes."""
    ids = ids_from_name(path.stem)
    if not ids:
        raise ValueError(
            f"{path} has another name than the benchmark's, expected S001C001P001R001A001.skeleton"
        )
    return classes > NTU60_CLASSES or (
        int(ids["setup"]) <= NTU60_SETUPS and int(path.stem[-3:]) <= NTU60_CLASSES
    )
