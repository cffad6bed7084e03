"""NTU RGB+D and NTU RGB+D 120: the largest benchmarks of action recognition from Kinect skeletons."""

from pathlib import Path

from pyg_sybio.data.datasets.clip_transforms import DEFAULT_TRANSFORMS, ClipTransforms
from pyg_sybio.data.datasets.motion_dataset import MotionDataset
from pyg_sybio.data.datasets.ntu_samples import missing_skeletons
from pyg_sybio.data.datasets.protocols import Validation, ntu_protocol, select
from pyg_sybio.data.datasets.sampling import Sampling
from pyg_sybio.data.folder_walk import paths_below
from pyg_sybio.data.readers.ntu import ACTIONS, FRAME_RATE, ids_from_name, read_ntu
from pyg_sybio.data.store.storage import DEFAULT_STORAGE, Storage
from pyg_sybio.data.transforms import (
    AlignView,
    Center,
    FillMissing,
    FillNullFrames,
    JoinTracks,
    SelectBodies,
    TrimNullFrames,
)

# NTU RGB+D (60 classes) consists of the files with setups and actions up to these numbers.
NTU60_SETUPS, NTU60_CLASSES = 17, 60


class NTURGBD(MotionDataset):
    r"""NTU RGB+D (60 classes) or NTU RGB+D 120, from the raw `.skeleton` files.

    A sample has up to two persons, ordered by their amount of motion. It is centred on the first person's
    spine and rotated to a common view in the first frame. The last 10 frames are the future. The label of a
    clip is the number of its action minus one, regardless of the files that exist. Samples with missing or
    incomplete skeletons (302 and 535 names in the authors' lists) are left out.

    Args:
        root: The folder of the files, in subfolders or not.
        classes: 60 or 120. With 60, files of the extension to 120 classes are left out.
        protocol: `"cross-subject"`, `"cross-view"` (60 classes) or `"cross-setup"` (120 classes).
        split: `"train"`, `"val"` or `"test"`.
        validation: Clips held out of training as `"val"`: a fraction of the clips of each class, or groups
            such as `{"subject": ["1"]}`. None trains on all clips, as for published results.
        sampling: How samples are cut out of the clips (:class:`~pyg_sybio.data.datasets.sampling.Sampling`).
            (default: 290 observed and 10 future frames of whole clips, which have at most 300)
        transforms: Transforms of the clips
            (:class:`~pyg_sybio.data.datasets.clip_transforms.ClipTransforms`).
        storage: Where prepared clips are stored (:class:`~pyg_sybio.data.store.storage.Storage`).

    Raises:
        FileNotFoundError: If `root` is not a folder or has no file of the benchmark.
        ValueError: If an argument is wrong, a file is damaged, has an unexpected name or exists twice, or the
            split is empty.

    Source: Shahroudy et al., "NTU RGB+D: A Large Scale Dataset for 3D Human Activity Analysis" (2016); Liu et
    al., "NTU RGB+D 120" (2019); https://github.com/shahroudy/NTURGB-D
    """

    default_preprocess = (
        # A body gets a new number when it reappears, so tracks are joined before two bodies are selected.
        SelectBodies(num_bodies=10),
        JoinTracks(),
        SelectBodies(num_bodies=2),
        TrimNullFrames(),
        Center(joint="spine"),
        AlignView(vertical=("pelvis", "spine"), horizontal=("right_shoulder", "left_shoulder")),
    )
    """The benchmark's preparation: select the bodies, trim null frames, centre, and align the view."""
    default_fill = (FillMissing(edges=False), FillNullFrames(mode="repeat"))
    """Fill gaps; then, as the benchmark, the frames before a person appears and after the person has left."""
    default_sampling = Sampling(num_observed=290, num_future=10)

    def __init__(
        self,
        *,
        root: str | Path,
        classes: int = 60,
        protocol: str = "cross-subject",
        split: str = "train",
        validation: Validation = 0.05,
        sampling: Sampling = default_sampling,
        transforms: ClipTransforms = DEFAULT_TRANSFORMS,
        storage: Storage = DEFAULT_STORAGE,
    ) -> None:
        root = Path(root)
        rule = ntu_protocol(protocol, classes)
        files = _find_files(root, classes)
        store = self.prepared(files, read_ntu, root, transforms, storage, classes=classes)
        self.split = split
        super().__init__(
            store=store,
            clips=select(store.clips, rule, split, validation=validation),
            class_names=ACTIONS[:classes],
            frame_rate=FRAME_RATE,
            sampling=sampling,
            transforms=transforms,
        )


def _find_files(root: Path, classes: int) -> list[Path]:
    """The files of the benchmark that have a skeleton, in the order of their names."""
    expected = "expected files such as S001C001P001R001A001.skeleton there"
    found: dict[str, Path] = {}
    missing = missing_skeletons()
    for path in paths_below(root, expected=expected):
        if path.suffix != ".skeleton" or path.stem in missing or not _belongs(path, classes):
            continue
        if path.stem in found:
            expected = f"expected only {found[path.stem]}"
            raise ValueError(f"{path} is a second file of the same sample, {expected}")
        found[path.stem] = path
    if not found:
        raise FileNotFoundError(f"{root} has no file of NTU RGB+D with {classes} classes, {expected}")
    return [found[name] for name in sorted(found)]


def _belongs(path: Path, classes: int) -> bool:
    """Whether a file belongs to the benchmark with this number of classes."""
    ids = ids_from_name(path.stem)
    if not ids:
        raise ValueError(f"{path} is not named like a sample, such as S001C001P001R001A001.skeleton")
    action = int(path.stem[-3:])
    return classes > NTU60_CLASSES or (int(ids["setup"]) <= NTU60_SETUPS and action <= NTU60_CLASSES)
