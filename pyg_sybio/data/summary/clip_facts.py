r"""The facts about a clip that a summary counts, and how they are read from a file.

Worker processes import this module, so it imports only modules that are needed to read files.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pyg_sybio.data.datasets.clip_table import WHOLE_FILE, Entries
from pyg_sybio.data.datasets.protocols import SPLITS
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.annotations import load_annotations
from pyg_sybio.data.reading import read_motions
from pyg_sybio.skeleton import Skeleton


@dataclass(frozen=True, eq=False)
class ClipFacts:
    r"""The facts about one motion.

    Args:
        values: The values that a summary counts: class, frame rate, number of persons who are seen in at
            least one frame, name of the skeleton, and suffix of the file (`folder` for a folder of frames).
        splits: The splits of the motion; in an annotation file, a clip may belong to several.
        ids: The ids of the motion, except `split`.
        num_frames: Length of the motion.
        seconds: Length of the motion; None without a frame rate.
        joints: Joints of the skeleton.
        missing: Number of frames in which a person is seen without the joint, for each joint, summed over
            persons, `[M]`.
        seen: Number of frames in which a person is seen, summed over persons.
        empty: Number of frames in which nobody is seen.
        notes: Decisions that the reader made because the file lacks information.
    """

    values: Mapping[str, str | None]
    splits: tuple[str, ...]
    ids: Mapping[str, str]
    num_frames: int
    seconds: float | None
    joints: tuple[str, ...]
    missing: np.ndarray
    seen: int
    empty: int
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, motion: Motion, format: str, splits: tuple[str, ...] = ()) -> "ClipFacts":
        """The facts of a motion; its id `split`, if it has one, replaces `splits`."""
        ids = dict(motion.ids)
        if "split" in ids:
            splits = (ids.pop("split"),)
        seen, rate = motion.seen, motion.frame_rate
        values = {
            "class": motion.label,
            "frame rate": "unknown" if rate is None else f"{rate:g} Hz",
            "persons": str(int(seen.any(dim=1).sum())),
            "skeleton": motion.skeleton.name,
            "format": format,
        }
        return cls(
            values=values,
            splits=splits,
            ids=ids,
            num_frames=motion.num_frames,
            seconds=None if rate is None else motion.num_frames / rate,
            joints=motion.skeleton.joints,
            missing=(seen[..., None] & ~motion.present).sum(dim=(0, 1)).numpy(),
            seen=int(seen.sum()),
            empty=int((~seen.any(dim=0)).sum()),
            notes=motion.notes,
        )


def facts_of_file(
    file: Path, root: Path, skeleton: Skeleton | None, entries: Entries
) -> Iterator[ClipFacts | str]:
    """The facts of a file's clips; if the file cannot be read to its end, the error is the last item."""
    suffix = "folder" if file.is_dir() else file.suffix.lower()
    inner = file.relative_to(root).parts[:-1]
    folder = tuple(part.lower() for part in inner if part.lower() in SPLITS)[-1:]
    try:
        splits: dict[str, list[str]] = {}
        if suffix == ".pkl":
            annotations = load_annotations(file)
            motions = annotations.motions(skeleton=skeleton)
            for split, names in annotations.splits.items():
                for name in names:
                    splits.setdefault(f"{file}: {name}", []).append(split)
        else:
            motions = read_motions(file, skeleton=skeleton)
        for motion in motions:
            in_splits = tuple(splits.get(motion.source, folder))
            for entry in entries.get(file.relative_to(root).as_posix(), WHOLE_FILE):
                yield ClipFacts.of(entry.clip(motion), suffix, in_splits)
    except (ValueError, OSError) as error:
        yield str(error)
