"""Northwestern-UCLA: ten actions seen by three Kinects at once, to be recognised from a view never shown."""

from collections.abc import Sequence
from pathlib import Path

from pyg_sybio.data.datasets.motion_dataset import MotionDataset, Transforms
from pyg_sybio.data.datasets.protocols import Validation, named_protocol, select
from pyg_sybio.data.datasets.two_tasks import ObservationRatio
from pyg_sybio.data.folder_walk import paths_below
from pyg_sybio.data.readers.nw_ucla import ACTIONS, read_nw_ucla
from pyg_sybio.data.store.store import prepare
from pyg_sybio.data.transforms import AlignView, Center, FillMissing


class NWUCLA(MotionDataset):
    r"""Northwestern-UCLA, from its JSON files (`a01_s01_e00_v01.json`).

    One person, 20 joints of a Kinect v1, in metres. The label of a clip is its `label` minus one, whichever
    files exist. The field trains on views 1 and 2 and tests on view 3.

    Args:
        root: The folder of the files, in subfolders or not.
        protocol: `"cross-view"` or `"cross-subject"`.
        split: `"train"`, `"val"` or `"test"`.
        test_views: For `"cross-view"`: the views that test, `"3"` or `3`; all others train.
        test_subjects: For `"cross-subject"`: the subjects that test, likewise; all others train.
        validation: What is held out of training as `"val"`: a share of the clips of each class, or groups
            such as `{"subject": ["10"]}`; None trains on all, as published figures do.
        num_observed: Frames in `x`.
        num_future: Frames in `future`.
        window_stride: Frames from one window to the next. (default: a clip is one sample)
        frame_rate: In Hz, for horizons in milliseconds: neither the files nor the data set say it, and a
            Kinect v1 has 30.
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
        FileNotFoundError: If `root` is no folder or has no such file.
        ValueError: If an argument is wrong, a file is damaged, or the split is empty.

    Note:
        Half of the clips have at most 34 frames, nine of ten at most 84, and the longest 201. 40 observed
        frames hold all that comes before the future in three of four clips, and the end of it in the others;
        10 future frames, a third of a second, were recorded in full in every clip of 20 frames or more. Both
        are this package's choice: the field only recognises, from 52 frames of a clip stretched or shrunk to
        that length.

    Source: Wang et al., "Cross-view Action Modeling, Learning and Recognition" (2014).
    """

    default_preprocess = (Center(), AlignView())
    """Centred on the chest and turned to a common view in the first frame, so that no camera shows."""
    default_fill = (FillMissing(mode="interpolate"),)
    """Joints that were not tracked, between the frames that have them."""

    def __init__(
        self,
        *,
        root: str | Path,
        protocol: str = "cross-view",
        split: str = "train",
        test_views: Sequence[str | int] = ("3",),
        test_subjects: Sequence[str | int] = (),
        validation: Validation = 0.05,
        num_observed: int = 40,
        num_future: int = 10,
        window_stride: int | None = None,
        frame_rate: float = 30.0,
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
        tests = {"cross-view": test_views, "cross-subject": test_subjects}
        if protocol not in tests:
            raise ValueError(f"'protocol' is {protocol!r}, expected one of {', '.join(tests)}")
        rule = named_protocol(protocol, test=tests[protocol])
        root = Path(root)
        store = prepare(
            files=_find_files(root),
            read=read_nw_ucla,
            preprocess=self.preparation(preprocess),
            settings={},
            root=root,
            cache=cache,
            num_processes=num_processes,
            progress=progress,
        )
        self.split = split
        super().__init__(
            store=store,
            clips=select(store.clips, rule, split, validation=validation),
            class_names=ACTIONS,
            num_observed=num_observed,
            num_future=num_future,
            window_stride=window_stride,
            frame_rate=frame_rate,
            augment=augment,
            corrupt=corrupt,
            fill=fill,
            reserved=reserved,
            observation_ratio=observation_ratio,
            padding=padding,
        )


def _find_files(root: Path) -> list[Path]:
    expected = "expected files such as a01_s01_e00_v01.json there"
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is not a folder, {expected}")
    name = "a[0-9][0-9]_s[0-9][0-9]_e[0-9][0-9]_v[0-9][0-9].json"
    files = [path for path in paths_below(root) if path.match(name)]
    if not files:
        raise FileNotFoundError(f"{root} has no file of Northwestern-UCLA, {expected}")
    return files
