r"""Predictions for all recordings of a folder: in several processes, and resumable."""

import csv
import io
import json
import re
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyg_sybio.data.datasets.clip_table import WHOLE_FILE, Entries, match_clip_pattern
from pyg_sybio.data.datasets.motion_folder import describe_files, find_motion_files
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.processes import results_of
from pyg_sybio.data.reading import read_motions
from pyg_sybio.files import read_json, write_json
from pyg_sybio.trained.person_timelines import WindowReader
from pyg_sybio.trained.predicting import predict_recording
from pyg_sybio.trained.prediction import Prediction

Row = dict[str, Any]
"""The result for a clip: the name, and either the error, or the label, the split and the prediction."""


@dataclass(frozen=True, eq=False)
class PredictedClip:
    """A clip of a folder with its prediction.

    Args:
        name: The clip's file, relative to the folder, and the clip's index in the file if it is not 0.
        label: Its class, if known.
        split: `"train"`, `"val"` or `"test"`, if known.
        prediction: The prediction.
    """

    name: str
    label: str | None
    split: str | None
    prediction: Prediction


@dataclass(frozen=True)
class ClipFolder:
    """The clips of a folder.

    Args:
        folder: The folder.
        files: The motion files below it.
        entries: The labels and segments of the files by their relative paths.
    """

    folder: Path
    files: tuple[Path, ...]
    entries: Entries

    @classmethod
    def find(cls, folder: str | Path, *, labels: str, pattern: str | None) -> "ClipFolder":
        """Find the files of a folder; for arguments and errors, see :meth:`Trained.predict_folder`."""
        folder = Path(folder)
        files = find_motion_files(folder, besides=(folder / labels,))
        if pattern is None:
            return cls(folder, tuple(files), describe_files(files, folder, labels=labels, pattern=None))
        names = [path.relative_to(folder).as_posix() for path in files]
        matching = [name for name in names if re.fullmatch(pattern, name)]
        return cls(folder, tuple(files), match_clip_pattern(pattern, matching))

    def clips(self, path: Path, reader: WindowReader) -> Iterator[tuple[str, Motion]]:
        """The names and motions of the clips in a file."""
        name = path.relative_to(self.folder).as_posix()
        motions = read_motions(path, skeleton=reader.preparation.skeleton)
        clips = (entry.clip(motion) for motion in motions for entry in self.entries.get(name, WHOLE_FILE))
        for number, clip in enumerate(clips):
            yield f"{name}: {number}" if number else name, clip

    def predicted(self, reader: WindowReader) -> Iterator[PredictedClip]:
        """The clips of all files with their predictions."""
        for path in self.files:
            for name, clip in self.clips(path, reader):
                yield PredictedClip(name, clip.label, clip.ids.get("split"), predict_recording(reader, clip))


@dataclass(frozen=True)
class PredictFile:
    r"""Function that predicts the clips of a file, and can be sent to other processes.

    Args:
        clips: The folder.
        reader: The model.
        output: Folder for the forecasts, and for the result of each file, from which a later run continues;
            None does not write anything.
        settings: Settings on which the results depend. A later run with other settings predicts the file
            again.
    """

    clips: ClipFolder
    reader: WindowReader
    output: Path | None
    settings: Mapping[str, Any]

    def __call__(self, path: Path) -> Iterator[Row]:
        """The results of the clips of the file; a clip without a prediction has an error."""
        name = path.relative_to(self.clips.folder).as_posix()
        if self.output is None:
            yield from (row for row, _ in self._rows(path, name))
            return
        done, of = self.output / f"{name}.result.json", self._key(path, name)
        if done.is_file() and (stored := _stored(done, of)) is not None:
            yield from stored
            return
        rows = []
        for row, prediction in self._rows(path, name):
            if prediction is not None:
                target = self.output / f"{row['name'].replace(': ', '_')}_future.npz"
                prediction.write(target)
                row["future"] = str(target.relative_to(self.output))
            rows.append(row)
        if not any("error" in row for row in rows):
            write_json(done, {"of": of, "clips": rows})  # the last file, so that it marks a complete result
        yield from rows

    def _rows(self, path: Path, name: str) -> Iterator[tuple[Row, Prediction | None]]:
        try:
            for name, clip in self.clips.clips(path, self.reader):
                prediction = predict_recording(self.reader, clip)
                facts = {"name": name, "label": clip.label, "split": clip.ids.get("split")}
                yield facts | prediction.to_dict(), prediction
        except Exception as error:  # the other files are predicted, and the error is reported at the end
            kind = "" if isinstance(error, ValueError | OSError) else f"{type(error).__name__}: "
            yield {"name": name, "error": kind + " ".join(str(error).split())}, None

    def _key(self, path: Path, name: str) -> dict[str, Any]:
        files = sorted(path.glob("*")) if path.is_dir() else [path]
        stats = [file.stat() for file in files]
        return {
            "files": [[each.st_size, each.st_mtime_ns] for each in stats],
            "entries": repr(self.clips.entries.get(name)),
            **self.settings,
        }


def _stored(path: Path, of: Mapping[str, Any]) -> list[Row] | None:
    """The results of an earlier run with the same file and settings; None if there are none."""
    try:
        document = read_json(path)
        return document["clips"] if document["of"] == json.loads(json.dumps(of)) else None
    except (ValueError, KeyError, TypeError):
        return None


def predict_files(task: PredictFile, *, num_processes: int = 1) -> Generator[Row, None, None]:
    """The results for the clips of all files, in the order of the files.

    Raises:
        RuntimeError: If a worker process died; the message names the files that were being predicted.
    """
    found: Iterable[Iterable[Row]] = results_of(task, task.clips.files, num_processes=num_processes)
    for rows in found:
        yield from rows


def segment_table(rows: Iterable[Row]) -> str:
    r"""The segments of results as CSV, with the columns of a clip table and `probability`.

    As in clip tables (:func:`~pyg_sybio.data.datasets.clip_table.read_clip_table`), times with a decimal
    point are seconds, other times are frames, and `person` is empty for all persons.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("file", "person", "start", "end", "label", "probability"))
    for row in rows:
        for person in row.get("persons", ()):
            for each in person["segments"]:
                times = (each["start"], each["end"])
                values = (*times, each["label"], f"{each['probability']:.4f}")
                table.writerow((row["name"], "" if person["person"] is None else person["person"], *values))
    return text.getvalue()
