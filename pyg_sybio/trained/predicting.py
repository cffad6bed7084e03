r"""The prediction of a model for a recording: its timelines, and the forecast from its end."""

from dataclasses import replace

import torch
from torch import Tensor
from torch_geometric.data import Batch

from pyg_sybio.data.motion import Motion
from pyg_sybio.trained.person_timelines import PersonTimeline, WindowReader, clip
from pyg_sybio.trained.prediction import Prediction
from pyg_sybio.trained.preparation import Preparation, Prepared, at_rate, rate_notices


def predict_recording(reader: WindowReader, recorded: Motion) -> Prediction:
    r"""Recognise the actions in a recording and predict its continuation.

    Args:
        reader: The model with its preparation.
        recorded: The recording, with the joints of the preparation's skeleton.

    Raises:
        ValueError: If the recording contains no person, or is a recording of rotations that is too short.
    """
    preparation = reader.preparation
    source = recorded.source or "the recording"
    _check_length(recorded, preparation, source)
    if not recorded.present.any():
        raise ValueError(f"{source} contains no person, expected at least one")
    notices = [*rate_notices(recorded.frame_rate, preparation.frame_rate), *preparation.notices]
    prepared, future = _forecast(reader, recorded)
    persons: list[PersonTimeline] = reader.timelines(recorded) if reader.model.num_classes else []
    if recorded.num_persons > 1 and persons:
        notices.append(
            "has one label for all persons, as the interactions in training"
            if reader.together
            else "has a label for each person, because the classes in training are actions of single persons"
        )
    if not prepared.observed.present.any():
        frames = prepared.observed.num_frames
        notices.append(f"has no forecast, because nobody is seen in its last {frames} frames")
    return Prediction(
        probabilities=torch.cat([person.windows for person in persons]).mean(0) if persons else None,
        future=future,
        class_names=tuple(reader.class_names),
        frame_rate=prepared.observed.frame_rate or preparation.frame_rate,
        recorded=recorded,
        prepared=prepared,
        persons=tuple(persons),
        notices=(*notices, *recorded.notes),
    )


def _forecast(reader: WindowReader, recorded: Motion) -> tuple[Prepared, Tensor | None]:
    """The last frames of the persons who are seen in them, and their future `[P, T, M, D]`."""
    preparation = reader.preparation
    apart = not reader.together and preparation.can_apart and recorded.num_persons > 1
    prepared = preparation(recorded, apart=apart)
    shown = prepared.observed.present.flatten(1).any(1)
    if apart and not shown.all():  # the inverse transforms have parameters for each person
        recorded = recorded.persons(shown.nonzero().flatten().tolist() or [0])
        prepared = preparation(recorded, apart=True)
    if not apart:
        prepared = prepared.of_seen_persons()
    if not shown.any():
        return prepared, None
    observed = prepared.observed
    clips = [observed.persons([i]) for i in range(observed.num_persons)] if apart else [observed]
    views = replace(reader.views, parts=(), stretch=False)  # the future only follows the whole clip
    batch = Batch.from_data_list([clip(each) for each in clips])
    with torch.no_grad():
        future = views.answer(reader.model, preparation, [batch]).future
    return prepared, future[0] if future is not None and future.dim() == 5 else future


def _check_length(recorded: Motion, preparation: Preparation, source: str) -> None:
    """Raise an error if a recording of rotations is too short, because its frames cannot be repeated."""
    if preparation.standardize is None:
        return
    needed, rate = preparation.num_observed, preparation.frame_rate
    num_frames = at_rate(recorded, rate, least=needed).num_frames
    if num_frames < needed:
        raise ValueError(
            f"{source} has {recorded.num_frames} frames, of which {num_frames} are left at {rate:g} Hz, "
            f"expected at least {needed}"
        )
