"""The recognition head compared with a loop over clips, persons and joints."""

import pytest
import torch

from pyg_sybio.nn.recognition_head import RecognitionHead
from pyg_sybio.testing import assert_every_parameter_gets_a_gradient


@pytest.mark.parametrize("clip", [[0, 1, 1], [1, 0, 1], [0, 1, 2], [0, 0, 0]])
def test_the_recognition_head_averages_over_joints_and_present_persons(clip: list[int]) -> None:
    head = RecognitionHead(6, 5, hidden_channels=7).double()
    features = torch.randn(3, 4, 6, dtype=torch.float64)
    num_clips = max(clip) + 1
    logits = head(features, torch.tensor(clip), num_clips)
    assert logits.shape == (num_clips, 5)
    first, _, second, _ = head.mlp
    assert isinstance(first, torch.nn.Linear)
    assert isinstance(second, torch.nn.Linear)
    for number in range(num_clips):
        persons = [features[person] for person in range(3) if clip[person] == number]
        total = torch.zeros(7, dtype=torch.float64)
        for person in persons:
            for joint in person:
                hidden = (first.weight @ joint + first.bias).clamp(min=0)
                hidden = (second.weight @ hidden + second.bias).clamp(min=0)
                total += hidden / (len(persons) * len(person))
        expected = head.classifier.weight @ total + head.classifier.bias
        torch.testing.assert_close(logits[number], expected, atol=1e-9, rtol=0)


def test_the_logits_do_not_depend_on_the_order_of_joints_and_persons() -> None:
    head = RecognitionHead(6, 5).double()
    features, clip = torch.randn(3, 4, 6, dtype=torch.float64), torch.tensor([0, 1, 1])
    order = torch.tensor([2, 0, 1])
    shuffled = head(features[order][:, torch.randperm(4)], clip[order], 2)
    torch.testing.assert_close(shuffled, head(features, clip, 2), atol=1e-9, rtol=0)


def test_gradients_reach_every_parameter() -> None:
    head = RecognitionHead(6, 5)
    head(torch.randn(3, 4, 6), torch.tensor([0, 1, 1]), 2).square().sum().backward()
    assert_every_parameter_gets_a_gradient(head)
