r"""A trained model: predict, stream, evaluate, save and export, without Lightning and training data."""

import inspect
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor
from torch_geometric.data import Dataset

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.reading import read_motion, read_motions
from pyg_sybio.data.registry import dataset_named
from pyg_sybio.data.splits import Splits
from pyg_sybio.data.transforms.resample_length import ResampleLength
from pyg_sybio.files import write_json, write_text
from pyg_sybio.models.sybio_gnn import SybioGNN
from pyg_sybio.trained.digest import weights_digest
from pyg_sybio.trained.document import DATA_FILE, FORMAT, check_document
from pyg_sybio.trained.evaluation import Report, evaluate
from pyg_sybio.trained.folder import ClipFolder, PredictedClip
from pyg_sybio.trained.model_card import CARD_FILE, model_card
from pyg_sybio.trained.person_timelines import WindowReader
from pyg_sybio.trained.predicting import predict_recording
from pyg_sybio.trained.prediction import Prediction
from pyg_sybio.trained.preparation import CHOOSE_PERSONS, Preparation
from pyg_sybio.trained.timeline import STEPS_PER_WINDOW
from pyg_sybio.trained.views import ONE_VIEW, Views

MAX_WINDOW = 2**31
"""Maximum length of a window in frames: longer than any recording."""


@dataclass(frozen=True, eq=False, repr=False)
class Trained:
    r"""A trained model with everything needed for inference.

    .. code-block:: python

        trained = load_trained("model")
        prediction = trained.predict("walk.bvh")
        print(prediction.label, prediction.future_motion)

    Args:
        model: The network in evaluation mode: a :class:`~pyg_sybio.models.sybio_gnn.SybioGNN`, or an
            :class:`~pyg_sybio.trained.onnx_model.OnnxModel`, which is called in the same way.
        preparation: Preprocessing of recordings.
        class_names: The classes, in the order of the model's outputs.
        seen_classes: Whether a class occurred in training, for each class.
        views: Test-time augmentation.
        training: Metadata of the training: ``epoch``, ``global_step``, ``batch_size``, the data as returned
            by :meth:`~pyg_sybio.data.splits.Splits.describe`, and optionally ``interactions`` and
            ``clip_seconds`` (:attr:`~pyg_sybio.data.datasets.motion_dataset.MotionDataset.clip_facts`).
    """

    model: Any
    preparation: Preparation
    class_names: tuple[str, ...]
    seen_classes: tuple[bool, ...]
    views: Views
    training: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"Trained({self.digest[:8]}, {len(self.class_names)} classes, {self.preparation})"

    # Use --------------------------------------------------------------------------------------------------

    def predict(
        self,
        recording: str | Path | Motion | Tensor,
        *,
        one_view: bool = False,
        window: float | None = None,
        step: float | None = None,
        together: bool | None = None,
    ) -> Prediction:
        r"""Recognise the actions in a recording and predict its continuation.

        Joints are found by name if the file contains names; otherwise they must be the joints of the model's
        skeleton, in its order. A recording with another frame rate is resampled. The model recognises
        overlapping windows of the recording, whose results are combined into a timeline for each person
        (:class:`~pyg_sybio.trained.timeline.Timeline`). The forecast continues the last frames.

        Args:
            recording: A file with one motion (:func:`~pyg_sybio.data.reading.read_motions` reads many
                formats), a motion, or poses at the model's frame rate, NaN where a joint was not observed.
            one_view: Disable test-time augmentation, as in streams.
            window: Length of a window in seconds. (default: the frames that the model observes; if the
                preparation changes the number of frames, the length of the training clips)
            step: Seconds between the starts of two windows. (default: an eighth of a window)
            together: Whether all persons are one clip with one label. (default: :attr:`interactions`)

        Shapes:
            - **recording:** `[T, M, D]` or `[P, T, M, D]`, if it is a tensor

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If the file cannot be read or holds several motions, or the recording does not fit the
                model or contains no person, or `window` or `step` is not positive.
        """
        if isinstance(recording, Tensor):
            recording = _motion_of(recording, self.preparation)
        elif not isinstance(recording, Motion):
            recording = self.read(recording)
        reader = self.reader(one_view=one_view, window=window, step=step, together=together)
        return predict_recording(reader, recording.joints(self.preparation.skeleton))

    def reader(
        self,
        *,
        one_view: bool = False,
        window: float | None = None,
        step: float | None = None,
        together: bool | None = None,
    ) -> WindowReader:
        """The windows of recordings; for the arguments and errors, see :meth:`predict`."""
        for name, value in {"window": window, "step": step}.items():
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"'{name}' is {value}, expected a positive number of seconds")
        preparation, rate = self.preparation, self.preparation.frame_rate
        together = self.interactions if together is None else together
        if not together:  # every person gets a label, as every track of a stream
            steps = [each for each in preparation.preprocess if not isinstance(each, CHOOSE_PERSONS)]
            preparation = replace(preparation, preprocess=tuple(steps))
        if window is None and any(isinstance(each, ResampleLength) for each in preparation.preprocess):
            window = self.training.get("clip_seconds", math.inf)
        length = preparation.num_observed
        if window is not None:
            length = max(1, round(min(window * rate, MAX_WINDOW)))
        return WindowReader(
            model=self.fast,
            preparation=preparation,
            views=ONE_VIEW if one_view else self.views,
            class_names=self.class_names,
            window=length,
            step=max(1, round(length / STEPS_PER_WINDOW if step is None else step * rate)),
            together=together,
        )

    @property
    def interactions(self) -> bool:
        """Whether some of the classes are interactions, in which several persons are one training clip."""
        return bool(self.training.get("interactions", self.training["dataset"] == "NTURGBD"))

    def read(self, path: str | Path, entry: int | None = None) -> Motion:
        r"""Read a motion from a file, with the joints of the model's skeleton.

        Args:
            path: The file.
            entry: The index of the motion in the file. (default: the file must contain exactly one motion)

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If the file cannot be read, does not fit the model, or has no such motion.
        """
        skeleton = self.preparation.skeleton
        if entry is None:
            return read_motion(path, skeleton=skeleton)
        found = list(islice(read_motions(path, skeleton=skeleton), entry + 1))
        if len(found) <= entry:
            raise ValueError(
                f"{path} has {len(found)} motions, but motion {entry} is requested, counted from 0"
            )
        return found[entry]

    def predict_folder(
        self, folder: str | Path, *, labels: str = "clips.csv", pattern: str | None = None
    ) -> Iterator[PredictedClip]:
        r"""Predict every clip in the files below a folder.

        Args:
            folder: The folder.
            labels: A CSV file in the folder with the labels of the files, if it exists
                (:func:`~pyg_sybio.data.datasets.clip_table.read_clip_table`). Without it, the labels in the
                files are used.
            pattern: A regular expression for the files' paths, whose group ``label`` is the label. It
                replaces the CSV file; files that do not match keep their own label.

        Raises:
            FileNotFoundError: If there is no such folder, or it contains no motion file.
            ValueError: If the CSV file or a motion file is wrong, or a motion does not fit the model.
                (:func:`~pyg_sybio.trained.folder.predict_files` continues with the next file.)
        """
        return ClipFolder.find(folder, labels=labels, pattern=pattern).predicted(self.reader())

    def stream(self, **settings: Any) -> Any:
        """Process live poses, which are prepared like recordings, with a single view.

        Args:
            **settings: Arguments of :class:`~pyg_sybio.streaming.motion_stream.MotionStream`.

        Returns:
            The :class:`~pyg_sybio.streaming.motion_stream.MotionStream`.
        """
        from pyg_sybio.streaming.motion_stream import MotionStream

        if "clip_seconds" in self.training:  # training clips may be shorter than a window
            frames = max(1, round(self.training["clip_seconds"] * self.preparation.frame_rate))
            settings.setdefault("enough_frames", frames)
        return MotionStream(self.fast, self.preparation, class_names=self.class_names, **settings)

    @cached_property
    def fast(self) -> Any:
        """The model as predictions and streams run it: folded, unless it is an ONNX model."""
        return self.model.folded() if isinstance(self.model, SybioGNN) else self.model

    def on_device(self) -> Any:
        """The model as evaluation runs it: :attr:`fast`, or a copy of it on the GPU if there is one."""
        if torch.cuda.is_available() and isinstance(self.model, SybioGNN):
            return self.model.folded().to("cuda")
        return self.fast

    # Evaluation -------------------------------------------------------------------------------------------

    def splits(self, root: str | Path | None = None) -> Splits:
        r"""The data that the model was trained on.

        Args:
            root: The folder of all recordings. (default: the environment variable ``PYG_SYBIO_DATA``)

        Raises:
            ValueError: If the data set is not registered, or its description cannot be stored in a model
                file.
        """
        facts = self.training
        if lacks := facts["only_in_recipe"]:
            raise ValueError(
                f"the model file does not contain the data settings {', '.join(map(repr, lacks))}: "
                "expected the training recipe (--recipe RECIPE)"
            )
        dataset = dataset_named(facts["dataset"])
        settings = dict(facts["settings"])
        if "skeleton" in inspect.signature(dataset).parameters:
            settings["skeleton"] = self.preparation.skeleton
        own = {split: facts[split] for split in ("train", "val", "test")}
        return Splits(dataset, settings=settings, root=root, folder=facts["folder"], **own)

    def evaluate(
        self,
        dataset: Dataset | None = None,
        *,
        split: str = "test",
        root: str | Path | None = None,
        views: Views | None = None,
        **settings: Any,
    ) -> Report:
        r"""Accuracy and motion errors over a data set, with zero velocity as the baseline of the errors.

        Args:
            dataset: Clips with labels and futures. (default: a split of the data that the model was trained
                on)
            split: The split, if `dataset` is not given.
            root: The folder of all recordings, as in :meth:`splits`.
            views: Test-time augmentation. (default: the views of the model)
            **settings: Further arguments of :func:`~pyg_sybio.trained.evaluation.evaluate`.

        Raises:
            ValueError: If the data do not fit the model, or their statistics differ from the training data.
        """
        clips = self.splits(root).clips(split) if dataset is None else dataset
        self._check_statistics(clips)
        settings.setdefault("batch_size", min(self.training["batch_size"], 64))
        return evaluate(
            self.on_device(),
            clips,
            seen_classes=torch.tensor(self.seen_classes),
            views=self.views if views is None else views,
            **settings,
        )

    def _check_statistics(self, dataset: Dataset) -> None:
        """Raise an error if the statistics of a data set differ from the statistics of the training data."""
        step, other = self.preparation.standardize, getattr(dataset, "normalisation", None)
        if step is None or other is None:
            return
        for name in ("mean", "deviation"):
            ours, theirs = getattr(step.normalisation, name), getattr(other, name)
            if ours.shape != theirs.shape or not torch.allclose(ours, theirs, rtol=1e-4, atol=1e-6):
                raise ValueError(
                    f"the {name}s of the data's training files differ from the {name}s with which the model "
                    "was trained: expected the same recordings"
                )

    @property
    def digest(self) -> str:
        """A digest of the weights."""
        if isinstance(self.model, SybioGNN):
            return weights_digest(self.model.state_dict())
        return str(self.model.digest)

    # Files ------------------------------------------------------------------------------------------------

    def document(self, digest: str) -> dict[str, Any]:
        """The document of a model file, with the digest of the weights in that file.

        Raises:
            ValueError: If a transform of the preparation is not registered.
        """
        document = {
            "format": FORMAT,
            "class_names": list(self.class_names),
            "seen_classes": list(self.seen_classes),
            "preparation": self.preparation.to_document(),
            "views": self.views.to_settings(),
            "training": dict(self.training),
            "digest": digest,
        }
        check_document(document)
        return document

    @classmethod
    def from_document(cls, model: Any, document: Mapping[str, Any]) -> Self:
        """Create a trained model from a network and a document.

        Raises:
            ValueError: If the document does not fit the schema, or does not fit the model.
        """
        check_document(document)
        names, num_classes = tuple(document["class_names"]), model.config["num_classes"]
        if len(names) != num_classes:  # not model.num_classes, which is 0 without recognition
            raise ValueError(f"there are {len(names)} class names, but the model has {num_classes} classes")
        return cls(
            model=model.eval(),
            preparation=Preparation.from_document(document["preparation"], model.skeleton),
            class_names=names,
            seen_classes=tuple(document["seen_classes"]),
            views=Views.from_settings(document["views"]),
            training=document["training"],
        )

    def save(
        self, folder: str | Path, *, report: Mapping[str, Any] | None = None, title: str | None = None
    ) -> None:
        r"""Write the model as a folder to share, which :func:`~pyg_sybio.trained.load.load_trained` reads.

        The folder gets ``config.json`` and ``model.safetensors``
        (:meth:`~pyg_sybio.models.sybio_gnn.SybioGNN.save_pretrained`), ``data.json`` with the document, and
        the model card ``README.md``.

        Args:
            folder: The folder to write.
            report: A report of :meth:`evaluate` with its ``split``, for the card.
            title: The name of the model in its card. (default: the name of the folder)

        Raises:
            ValueError: If the model is from an ONNX file, or the report is of another model.
        """
        folder = Path(folder)
        model = self._trainable()
        document = self.document(weights_digest(model.state_dict()))
        card = model_card(model, document, report, title=title or folder.absolute().name)
        model.save_pretrained(folder)
        write_json(folder / DATA_FILE, document)
        write_text(folder / CARD_FILE, card)

    def export_onnx(self, path: str | Path, **settings: Any) -> Any:
        r"""Write the model as an ONNX file, which :func:`~pyg_sybio.trained.load.load_trained` reads.

        Args:
            path: The file.
            **settings: Arguments of :func:`~pyg_sybio.export.export_onnx`.

        Returns:
            The :class:`~pyg_sybio.export.Exported`.

        Raises:
            ValueError: If the model is from an ONNX file, or a setting is wrong.
            ExportError: If the outputs of the file would differ from the model.
        """
        from pyg_sybio.export import export_onnx

        return export_onnx(self._trainable(), path, about=self.document, **settings)

    def _trainable(self) -> SybioGNN:
        if not isinstance(self.model, SybioGNN):
            raise ValueError("the model is from an ONNX file: expected a checkpoint or a model folder")
        return self.model


def _motion_of(poses: Tensor, preparation: Preparation) -> Motion:
    skeleton = preparation.skeleton
    expected = (skeleton.num_joints, skeleton.num_features)
    if poses.dim() not in (3, 4) or poses.shape[-2:] != expected or not poses.numel():
        raise ValueError(
            f"'recording' has shape {list(poses.shape)}, expected [T, {expected[0]}, {expected[1]}] or "
            f"[P, T, {expected[0]}, {expected[1]}] for skeleton '{skeleton.name}' ({skeleton.coordinates})"
        )
    poses = poses if poses.dim() == 4 else poses[None]
    present = ~poses.isnan().any(-1)
    return Motion(
        poses=poses.masked_fill(~present[..., None], 0.0),
        present=present,
        skeleton=skeleton,
        frame_rate=preparation.frame_rate,
    )
