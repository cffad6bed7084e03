"""Selection by confidence compared with a loop."""

import pytest
from random_motions import random_motion

from pyg_sybio.data.transforms import SelectByConfidence


@pytest.mark.parametrize("name", ["openpose18", "ntu25"])
@pytest.mark.parametrize("num_bodies", [1, 2, 9])
def test_the_most_confident_persons_are_kept_in_order(name: str, num_bodies: int) -> None:
    motion = random_motion(name, num_persons=5, missing=0.6)
    assert motion.confidence is not None
    sums = [sum(float(score) for frame in person for score in frame) for person in motion.confidence]
    expected = sorted(range(5), key=lambda p: -sums[p])[:num_bodies]
    selected = SelectByConfidence(num_bodies=num_bodies)(motion)
    assert selected.equal(motion.persons(expected))
    if name == "openpose18":  # the score is the confidence
        scores_alone = motion.replace(confidence=None)
        assert list(SelectByConfidence(num_bodies=num_bodies)(scores_alone).tracks) == expected


def test_briefly_seen_persons_are_not_preferred() -> None:
    motion = random_motion("openpose18", num_persons=2, num_frames=10, missing=0.0)
    confidence = motion.present * 0.5
    confidence[1, 0] = 1.0
    confidence[1, 1:] = 0.0
    assert SelectByConfidence()(motion.replace(confidence=confidence)).tracks == (0,)
    # The confidence of absent joints is ignored.
    present = motion.present.clone()
    present[0] = False
    hidden = motion.replace(present=present, poses=motion.poses * present[..., None], confidence=confidence)
    assert SelectByConfidence()(hidden).tracks == (1,)


def test_missing_confidence_is_an_error() -> None:
    with pytest.raises(ValueError, match="needs 'confidence', but a test has none"):
        SelectByConfidence()(random_motion().replace(confidence=None))
    with pytest.raises(ValueError, match="'num_bodies' is True"):
        SelectByConfidence(num_bodies=True)
