"""Northwestern-UCLA: ten actions recorded by three Kinects at once, recognised from an unseen view."""

from collections.abc import Sequence
from pathlib import Path

from pyg_sybio.data.datasets.clip_transforms import DEFAULT_TRANSFORMS, ClipTransforms
from pyg_sybio.data.datasets.motion_dataset import MotionDataset
from pyg_sybio.data.datasets.protocols import Validation, leave_out, select
from pyg_sybio.data.datasets.sampling import Sampling
from pyg_sybio.data.folder_walk import paths_below
from pyg_sybio.data.readers.nw_ucla import ACTIONS, read_nw_ucla
from pyg_sybio.data.store.storage import DEFAULT_STORAGE, Storage
from pyg_sybio.data.transforms import AlignView, Center, FillMissing


class NWUCLA(MotionDataset):
    r"""Northwestern-UCLA, from its JSON files (`a01_s01_e00_v01.json`).

    A sample has one person with 20 joints of a Kinect v1, in metres. The label of a clip is its `label` minus
    one, regardless of the files that exist. The usual protocol trains on views 1 and 2 and tests on view 3.

    Args:
        root: The folder of the files, in subfolders or not.
        protocol: `"cross-view"` or `"cross-subject"`.
        split: `"train"`, `"val"` or `"test"`.
        test_views: For `"cross-view"`: the test views, such as `"3"` or `3`; all other views are for
            training.
        test_subjects: For `"cross-subject"`: the test subjects; all other subjects are for training.
        validation: Clips held out of training as `"val"`: a fraction of the clips of each class, or groups
            such as `{"subject": ["10"]}`. None trains on all clips, as for published results.
        frame_rate: Frame rate in Hz, for horizons in milliseconds. Neither the files nor the publication give
            it; a Kinect v1 records at 30 Hz.
        sampling: How samples are cut out of the clips (:class:`~pyg_sybio.data.datasets.sampling.Sampling`).
            (default: 40 observed and 10 future frames of whole clips)
        transforms: Transforms of the clips
            (:class:`~pyg_sybio.data.datasets.clip_transforms.ClipTransforms`).
        storage: Where prepared clips are stored (:class:`~pyg_sybio.data.store.storage.Storage`).

    Raises:
        FileNotFoundError: If `root` is not a folder or has no file of the data set.
        ValueError: If an argument is wrong, a file is damaged, or the split is empty.

    Note:
        Half of the clips have at most 34 frames, 90 % have at most 84, and the longest has 201. In 75 % of
        the clips, at most 40 frames precede the future, and all of them are observed; in longer clips, the 40
        frames before the future are observed. The 10 future frames (a third of a second) are fully recorded
        in clips of 20 frames or more. Both numbers are choices of this package: other work only recognises
        the clips, resampled to 52 frames.

    Source: Wang et al., "Cross-view Action Modeling, Learning and Recognition" (2014).
    """

    default_preprocess = (Center(), AlignView())
    """Centred on the chest and rotated to a common view in the first frame, independent of the camera."""
    default_fill = (FillMissing(mode="interpolate"),)
    """Joints that were not tracked are interpolated between the frames that have them."""
    default_sampling = Sampling(num_observed=40, num_future=10)

    def __init__(
        self,
        *,
        root: str | Path,
        protocol: str = "cross-view",
        split: str = "train",
        test_views: Sequence[str | int] = ("3",),
        test_subjects: Sequence[str | int] = (),
        validation: Validation = 0.05,
        frame_rate: float = 30.0,
        sampling: Sampling = default_sampling,
        transforms: ClipTransforms = DEFAULT_TRANSFORMS,
        storage: Storage = DEFAULT_STORAGE,
    ) -> None:
        tests = {"cross-view": ("view", test_views), "cross-subject": ("subject", test_subjects)}
        if protocol not in tests:
            raise ValueError(f"'protocol' is {protocol!r}, expected one of {', '.join(tests)}")
        rule = leave_out(*tests[protocol])
        root = Path(root)
        store = self.prepared(_find_files(root), read_nw_ucla, root, transforms, storage)
        self.split = split
        super().__init__(
            store=store,
            clips=select(store.clips, rule, split, validation=validation),
            class_names=ACTIONS,
            frame_rate=frame_rate,
            sampling=sampling,
            transforms=transforms,
        )


def _find_files(root: Path) -> list[Path]:
    expected = "expected files such as a01_s01_e00_v01.json there"
    name = "a[0-9][0-9]_s[0-9][0-9]_e[0-9][0-9]_v[0-9][0-9].json"
    files = [path for path in paths_below(root, expected=expected) if path.match(name)]
    if not files:
        raise FileNotFoundError(f"{root} has no file of Northwestern-UCLA, {expected}")
    return files
