r"""Conversion of the documents in model files of version 0.1 (format 1) to the current format.

Only this module supports the old format; a later release will remove it.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pyg_sybio.data.datasets.expmap import ExpmapDataset
from pyg_sybio.data.datasets.motion_dataset import MotionDataset
from pyg_sybio.data.datasets.standardize import Normalisation, Standardize
from pyg_sybio.data.registry import dataset_named
from pyg_sybio.data.splits import NOT_SHARED, TRANSFORMS, Splits
from pyg_sybio.data.transforms.from_settings import build_transforms, steps_of
from pyg_sybio.models.bounds import bounded_skeleton, check_plain
from pyg_sybio.skeleton import Skeleton
from pyg_sybio.trained.document import FORMAT, MAX_TRANSFORMS
from pyg_sybio.trained.preparation import Preparation
from pyg_sybio.trained.views import Views

_PLACES = ("settings", "train", "val", "test")
_REFUSED = ("cache", "root")
_NESTED_REPETITION = re.compile(r"[*+}]\??\)+[*+{]")


def is_old(document: Any) -> bool:
    """Whether a document has the old format."""
    return isinstance(document, Mapping) and document.get("format") == 1


def document_of_checkpoint(content: Mapping[str, Any]) -> dict[str, Any]:
    """The document of a checkpoint of version 0.1, which lacks the statistics of z-scores.

    Raises:
        ValueError: If the checkpoint has another format.
    """
    check_plain(content.get("data"), "the data")
    try:
        data = {key: value for key, value in content["data"].items() if key != "root"}
        return {
            "format": 1,
            "data": json.loads(json.dumps(data, allow_nan=False)),
            "seen_classes": content["state_dict"]["seen_classes"].tolist(),
            "epoch": content["epoch"],
            "global_step": content["global_step"],
            "normalisation": None,
        }
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError("not a checkpoint that 'sybio fit' wrote") from error


def upgrade(
    document: Mapping[str, Any],
    config: Mapping[str, Any],
    digest: str,
    *,
    root: str | Path | None = None,
) -> dict[str, Any]:
    r"""Convert a document to the current format.

    Args:
        document: The old document.
        config: The model's config.
        digest: The digest of the weights, which the old document does not have.
        root: The folder of the training recordings, from which missing statistics are taken.

    Raises:
        ValueError: If the document is malformed, names a class that is not registered, a path, or a pattern
            with nested repetition, or lacks statistics and no `root` is given.
    """
    check_plain(document, "the document")
    try:
        data = document["data"]
        for place in _PLACES:
            _check(data[place])
        folder, given = data["folder"], data["settings"]
        dataset = dataset_named(_last(data["dataset"]))
        training = {
            "epoch": document["epoch"],
            "global_step": document["global_step"],
            "batch_size": data["batch_size"],
            "dataset": dataset.__name__,
            "folder": folder if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", folder) else "",
            "only_in_recipe": [
                name for name in ("labels", "pattern") if given.get(name) not in (None, "clips.csv")
            ],
            **{place: _described(data[place]) for place in _PLACES},
        }
        skeleton = bounded_skeleton(config["skeleton"], "the model's config")
        return {
            "format": FORMAT,
            "class_names": data["class_names"],
            "seen_classes": document["seen_classes"],
            "preparation": _preparation(document, training, dataset, skeleton, root).to_document(),
            "views": Views.from_settings(data.get("looks")).to_settings(),
            "training": training,
            "digest": digest,
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a model file of version 0.1: {type(error).__name__} {error}") from error


def _preparation(
    document: Mapping[str, Any],
    training: Mapping[str, Any],
    dataset: Any,
    skeleton: Skeleton,
    root: str | Path | None,
) -> Preparation:
    data, settings = document["data"], training["settings"]
    is_motion = issubclass(dataset, MotionDataset)

    def transforms(name: str) -> tuple[Any, ...]:
        if settings.get(name) is None:
            return steps_of(getattr(dataset, f"default_{name}", None) if is_motion else None)
        return steps_of(build_transforms(settings[name], f"data.settings.{name}"))

    recorded, preprocess = skeleton, transforms("preprocess")
    if issubclass(dataset, ExpmapDataset):
        recorded = dataset.benchmark.skeleton
        preprocess = (Standardize(_statistics(document, training, dataset, root), skeleton),)
    return Preparation(
        skeleton=recorded,
        num_observed=data["num_observed"],
        frame_rate=data["frame_rate"],
        preprocess=preprocess,
        fill=transforms("fill"),
        padding=settings.get("padding", "repeat") if is_motion else None,
    )


def _statistics(
    document: Mapping[str, Any], training: Mapping[str, Any], dataset: Any, root: str | Path | None
) -> Normalisation:
    if document["normalisation"] is not None:
        return Normalisation.from_dict(document["normalisation"])
    if root is None:
        raise ValueError(
            "a checkpoint of version 0.1 lacks the statistics of its training data: complete it with "
            "'sybio export pretrained CHECKPOINT --data-root DIR --output FOLDER'"
        )
    places = {place: training[place] for place in _PLACES}
    splits = Splits(dataset, root=root, folder=training["folder"], **places)
    normalisation: Normalisation = splits.clips("train").normalisation
    return normalisation


def _check(settings: Mapping[str, Any]) -> None:
    for name in _REFUSED:
        if settings.get(name) is not None:
            raise ValueError(f"the settings have {name!r}, expected no paths in a model file")
    pattern = settings.get("pattern")
    if pattern is not None and (not isinstance(pattern, str) or _NESTED_REPETITION.search(pattern)):
        raise ValueError(f"the pattern {pattern!r:.60} repeats a repetition, expected no nested repetitions")


def _described(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Convert settings: transforms by name, without the settings that are not allowed in model files."""
    return {
        key: _transforms(value) if key in TRANSFORMS else value
        for key, value in settings.items()
        if key not in NOT_SHARED
    }


def _transforms(plain: Any) -> Any:
    if isinstance(plain, list):
        if len(plain) > MAX_TRANSFORMS:
            raise ValueError(f"a list of {len(plain)} transforms, expected at most {MAX_TRANSFORMS}")
        return [_transforms(each) for each in plain]
    if plain is None:
        return None
    return {"name": _last(plain["class_path"]), "arguments": plain.get("init_args") or {}}


def _last(path: str) -> str:
    """Return the last component of a class path, which is the registered name; nothing is imported."""
    return path.rpartition(".")[2]
