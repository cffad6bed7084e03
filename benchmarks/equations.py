"""FLOPs of the paper's equations: what a model needs, whatever an implementation executes.

Written out term by term and in the paper's order, two FLOPs a multiply-add, products and convolutions alone.
To compute less than this is possible (an edge's layer on two joints is a sum of a term a joint, copies of a
part's features need no products of their own); it shows as a share of the ceiling that lies higher.
"""

from collections.abc import Mapping
from math import ceil
from typing import Any

from pyg_sybio.models.sybio_gnn import SybioGNN
from pyg_sybio.skeleton import Skeleton

NUM_ORDERS = 3
"""Positions, velocities, accelerations."""


def training_flops(model: SybioGNN, *, persons: int, frames: int, clips: int = 1) -> int:
    """FLOPs of a training step: three times those of a forward pass in which every network predicts.

    Each product of the forward pass has two in the backward pass, for what came in and for the weights.
    """
    flops = model_flops(model, persons=persons, frames=frames, clips=clips)
    config, bones = model.config, model.skeleton.dual()
    if model.bone_correction is not None:
        flops -= clips * persons * _correction(model)  # in evaluation alone
    elif config["joints"] and config["bones"]:
        person = 0 if model.num_classes else _encoder(bones, config, frames)
        if config["prediction"]:
            person += _prediction(bones, config, model.num_classes, model.num_future)
        flops += clips * persons * person
    return 3 * flops


def model_flops(model: SybioGNN, *, persons: int, frames: int, clips: int = 1) -> int:
    """FLOPs of a model in evaluation, where bones beside joints are predicted only to correct these.

    Args:
        model: Gives the sizes.
        persons: Persons in a clip, all of them present.
        frames: Observed frames.
        clips: The number of clips.
    """
    config, future = model.config, model.num_future
    classes = model.num_classes
    corrected = model.bone_correction is not None
    networks = [model.skeleton] if config["joints"] else []
    if config["bones"] and (classes or corrected or not networks):
        networks.append(model.skeleton.dual())
    person = sum(_encoder(each, config, frames) for each in networks)
    clip = 0
    if classes:
        person += sum(_recognition(each, config) for each in networks)
        clip += len(networks) * _linear(1, config["head_channels"], classes)
    if config["prediction"]:
        predicting = networks if corrected else networks[:1]
        person += sum(_prediction(each, config, classes, future) for each in predicting)
    if corrected:
        person += _correction(model)
    return clips * (persons * person + clip)


def graph_conv(nodes: int, frames: int, terms: int, in_channels: int, out_channels: int) -> int:
    """A sum of so many terms A X W (Eq. 3, 4, 5 and 7): with dense graphs, then with weights."""
    return frames * terms * (2 * nodes * nodes * in_channels + _linear(nodes, in_channels, out_channels))


def block(
    nodes: int, frames: int, terms: int, in_channels: int, channels: int, kernel_size: int, stride: int
) -> int:
    """A J-GTC or P-GTC block (Eq. 6 and 8) with its residual."""
    kept = ceil(frames / stride)
    flops = graph_conv(nodes, frames, terms, in_channels, channels)
    flops += kernel_size * _linear(kept * nodes, channels, channels)
    if stride != 1 or in_channels != channels:
        flops += _linear(kept * nodes, in_channels, channels)
    return flops


def actional_graph(nodes: int, in_channels: int, width: int, iterations: int, frames: int) -> int:
    """AGIM (Eq. 1 and 2), the first layer of an edge on both of its joints."""
    pairs = nodes * (nodes - 1)
    embedding = _linear(nodes, frames * in_channels, width) + _linear(nodes, width, width)
    edges = _linear(pairs, 2 * width, width) + _linear(pairs, width, width)
    joints = 2 * _linear(nodes, width, width)
    affinities = 4 * _linear(nodes, width, width) + 2 * nodes * nodes * width
    return embedding + iterations * (edges + joints) + affinities


def _correction(model: SybioGNN) -> int:
    """The gain of a bone correction, from bones to joints."""
    skeleton = model.skeleton
    return model.num_future * _linear(skeleton.num_joints, skeleton.num_bones, model.in_channels)


def _linear(rows: int, in_channels: int, out_channels: int) -> int:
    return 2 * rows * in_channels * out_channels


def _encoder(skeleton: Skeleton, config: Mapping[str, Any], frames: int) -> int:
    """AGIM and the backbone of one network on one person."""
    flops = NUM_ORDERS * _branch(skeleton, config, frames)
    if _is_actional(config):
        flops += actional_graph(
            skeleton.num_joints,
            config["in_channels"],
            config["actional_channels"],
            config["actional_iterations"],
            config["actional_frames"],
        )
    return flops


def _branch(skeleton: Skeleton, config: Mapping[str, Any], frames: int) -> int:
    """One order of difference through the blocks of both scales (section 5.1)."""
    nodes, parts = skeleton.num_joints, skeleton.num_parts
    terms, has_parts = _terms(config), config["parts"]
    fusions = config["fusions"] if terms and has_parts else ()
    kernel_size = config["kernel_size"]
    # Pooling, where it starts the part scale or tells it of the joints: sums of every joint to its part.
    flops = 0 if terms else _pooling(nodes, parts, frames, config["in_channels"])
    width = config["in_channels"]
    for i, (channels, stride) in enumerate(zip(config["channels"], config["strides"], strict=True)):
        fused = 2 * width if i in fusions else width
        if terms:
            flops += block(nodes, frames, terms, fused, channels, kernel_size, stride)
        if has_parts and (i > 0 or not terms):
            starts = i == 1 and terms > 0
            flops += block(parts, frames, 1, width if starts else fused, channels, kernel_size, stride)
            if starts or i in fusions:
                flops += _pooling(nodes, parts, frames, width)
        width, frames = channels, ceil(frames / stride)
    return flops


def _pooling(nodes: int, parts: int, frames: int, channels: int) -> int:
    """Joint2part pooling as a product with the matrix that says who is in which part."""
    return 2 * frames * parts * nodes * channels


def _recognition(skeleton: Skeleton, config: Mapping[str, Any]) -> int:
    """The recognition head's perceptron; its classifier works on clips."""
    width, nodes = config["head_channels"], skeleton.num_joints
    return _linear(nodes, NUM_ORDERS * config["channels"][-1], width) + _linear(nodes, width, width)


def _prediction(skeleton: Skeleton, config: Mapping[str, Any], classes: int, future: int) -> int:
    """The prediction head (Eq. 10)."""
    width, nodes, features = config["head_channels"], skeleton.num_joints, config["in_channels"]
    start = _linear(nodes, NUM_ORDERS * config["channels"][-1], width) + _linear(nodes, width, width)
    # With parts alone, the head keeps the structural graph.
    mixed = graph_conv(nodes, 1, _terms(config) or config["hops"], width, width)
    gru = _linear(nodes, NUM_ORDERS * features + classes + width, 3 * width)
    displacement = _linear(nodes, width, width) + _linear(nodes, width, features)
    return start + future * (mixed + gru + displacement)


def _is_actional(config: Mapping[str, Any]) -> bool:
    return bool(config["actional"] and config["actional_weight"])


def _terms(config: Mapping[str, Any]) -> int:
    """The graphs of a joint-scale convolution: one a hop, and the actional one."""
    return (config["hops"] if config["structural"] else 0) + _is_actional(config)
