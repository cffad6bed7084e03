r"""Check the size of a model that a file describes, before the model is built.

An untrusted file may describe a model of any size. The bounds below limit the values of its config and the
memory of the model, and the size of the weights file limits the number of weights. Models that are created
with the constructor have no bounds.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pyg_sybio.files import check_schema, read_json
from pyg_sybio.skeleton import Skeleton

MAX_NUMBERS = 2**27
"""Maximum number of values in a model: 512 MiB in float32, three times the largest model of the paper."""

MAX_FUTURE = 1000
"""Maximum number of frames that a model predicts."""

_MAX_GRAPH_ENTRIES = 2**23  # number of entries of the structural graphs of all layers
_MAX_FEATURES = 2**25  # values between two blocks, for one person
_MAX_JOINTS = 512
_MAX_EDGES = 1024  # number of bones, bridges and part edges
_MAX_BONE_LINKS = 4096  # pairs of bones with a common joint

_SCHEMA = Path(__file__).with_name("config.schema.json")  # JSON schema with the range of every value

_MAX_VALUES, _MAX_DEPTH, _MAX_TEXT, _MAX_CHARACTERS = 100_000, 32, 1000, 1_000_000
_MAX_BYTES = 4 * 2**20  # size of a JSON document


def read_document(path: Path) -> Any:
    """Read a JSON document of a model, which must not exceed the size limit.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If the document is too large, is not JSON, or does not pass :func:`check_plain`.
    """
    if (size := path.stat().st_size) > _MAX_BYTES:
        raise ValueError(f"{path}: {size} bytes, expected at most {_MAX_BYTES}")
    document = read_json(path)
    check_plain(document, str(path))
    return document


def check_plain(document: Any, where: str) -> None:
    """Raise an error unless a document consists of a bounded number of plain JSON values.

    A value that appears several times is counted each time, because a small pickle can contain the same list
    a billion times.

    Args:
        document: The document.
        where: Name of the document in error messages.

    Raises:
        ValueError: If a value has another type, is not finite or is too large, or if there are too many
            values.
    """
    num_values, num_characters = 0, 0
    waiting: list[tuple[Any, int, str]] = [(document, 0, where)]  # value, nesting depth, location in messages
    while waiting:
        value, depth, place = waiting.pop()
        num_values += 1
        items: list[tuple[Any, str]] = []
        match value:
            case None | bool():
                pass
            case int() | float() if abs(value) < 2**63:
                pass
            case str() if len(value) <= _MAX_TEXT:
                num_characters += len(value)
            case list() | tuple():
                items = [(each, place) for each in value[: _MAX_VALUES + 1]]
            case dict() if all(type(key) is str for key in value):
                for key, each in value.items():
                    items += [(key, place), (each, f"{where}: '{key:.60}'")]
            case str():
                raise ValueError(
                    f"{place}: a string of {len(value)} characters, expected at most {_MAX_TEXT}"
                )
            case int() | float():
                raise ValueError(f"{place}: a number that is not finite or too large, expected below 2^63")
            case _:
                raise ValueError(f"{place}: a value of type {type(value).__name__}, expected plain values")
        if depth == _MAX_DEPTH:
            raise ValueError(f"{place}: nested too deeply, expected at most {_MAX_DEPTH} levels")
        waiting += [(item, depth + 1, inside) for item, inside in items]
        if num_values + len(waiting) > _MAX_VALUES or num_characters > _MAX_CHARACTERS:
            raise ValueError(
                f"{where}: too long, expected at most {_MAX_VALUES} values and {_MAX_CHARACTERS} characters"
            )


def check_config_bounds(config: Any, where: str, *, weights_file: Path | None = None) -> None:
    """Raise an error unless the config of a model file describes a model of a reasonable size.

    Args:
        config: The complete :attr:`SybioGNN.config <pyg_sybio.models.sybio_gnn.SybioGNN>`.
        where: Name of the file in error messages.
        weights_file: The file that contains the weights; its size limits the number of weights. (default: no
            limit)

    Raises:
        ValueError: If a value is missing, has the wrong type, or is out of its range; or if the model would
            need too much memory, or more weights than the file can contain.
    """
    check_plain(config, where)
    check_schema(config, _SCHEMA, where)
    if not len(config["strides"]) == len(config["channels"]) > 0:
        raise ValueError(
            f"{where}: 'strides' has {len(config['strides'])} entries, but 'channels' has "
            f"{len(config['channels'])}, expected the same number, at least one"
        )
    weights, graph_entries, pairs = _sizes(config, bounded_skeleton(config["skeleton"], where))
    if weights + 3 * graph_entries + pairs > MAX_NUMBERS or graph_entries > _MAX_GRAPH_ENTRIES:
        raise ValueError(
            f"{where}: the config describes a model of about {weights:.3g} weights and {graph_entries:.3g} "
            f"entries of graphs, expected at most {MAX_NUMBERS:.3g} and {_MAX_GRAPH_ENTRIES:.3g}"
        )
    # A weight takes at least two bytes. Small models are not checked here, because loading their weights
    # raises a better error, which names the first tensor that differs.
    if weights_file is not None and weights > (size := weights_file.stat().st_size) // 2 + 2**20:
        raise ValueError(
            f"{where}: the config describes a model of about {weights:.3g} weights, "
            f"but {weights_file.name} has only {size:.3g} bytes"
        )


def check_window(config: Mapping[str, Any], num_frames: int, where: str) -> None:
    """Raise an error if a window of `num_frames` frames needs too much memory in a model with a valid config.

    Raises:
        ValueError: If the largest features between two blocks have too many values per person.
    """
    widest = 0
    length, num_joints = num_frames, len(config["skeleton"]["joints"])
    for width, stride in zip(config["channels"], config["strides"], strict=True):
        length = -(-length // stride)
        widest = max(widest, 3 * length * num_joints * width)
    if widest > _MAX_FEATURES:
        raise ValueError(
            f"{where}: windows of {num_frames} frames have {widest:.3g} features in this model, "
            f"expected at most {_MAX_FEATURES:.3g}"
        )


def bounded_skeleton(document: Any, where: str) -> Skeleton:
    """Build the skeleton described by a file, with limits on its size.

    Raises:
        ValueError: If the skeleton is too large or invalid.
    """
    check_plain(document, where)
    if isinstance(document, Mapping):
        lists = {"joints": _MAX_JOINTS, "parts": _MAX_JOINTS, "mirror": _MAX_JOINTS, "subsets": _MAX_JOINTS}
        lists |= {"bones": _MAX_EDGES, "bridges": _MAX_EDGES, "part_bones": _MAX_EDGES}
        for name, most in lists.items():
            value = document.get(name)
            if isinstance(value, list | tuple | Mapping) and len(value) > most:
                raise ValueError(
                    f"{where}: '{name}' of the skeleton has {len(value)} entries, expected at most {most}"
                )
    try:
        skeleton = Skeleton.from_dict(document, where=where)
    except ValueError as error:
        raise ValueError(f"{error!s:.500}") from None  # shortened, because the message lists names
    degree = [0] * skeleton.num_joints
    for joint in (joint for bone in skeleton.bones for joint in bone):
        degree[skeleton.joint_index(joint)] += 1
    links = sum(count * (count - 1) // 2 for count in degree)
    links += sum(degree[a] * degree[b] for a, b in skeleton.edges[skeleton.num_bones :])
    if links > _MAX_BONE_LINKS:
        raise ValueError(
            f"{where}: the skeleton has {links} pairs of bones with a common joint, "
            f"expected at most {_MAX_BONE_LINKS}"
        )
    return skeleton


def _sizes(config: Mapping[str, Any], skeleton: Skeleton) -> tuple[int, int, int]:
    """Estimate the numbers of weights, of entries of the structural graphs, and of AGIM's features per pair
    of joints.

    Biases and norms are ignored, because they are small.
    """
    features, width, classes = config["in_channels"], config["head_channels"], config["num_classes"]
    hidden, iterations = config["actional_channels"], config["actional_iterations"]
    actional = config["actional"] and config["actional_weight"] > 0
    graphs = config.get("actional_graphs", "inferred")
    hops = config["hops"] if config["structural"] else 0
    head_hops = config["hops"] if config["structural"] or not config["actional"] else 0
    branches = 1 if config["shared_branches"] else 3
    weights, graph_entries, pairs = 0, 0, 0
    for num_nodes in [skeleton.num_joints] * config["joints"] + [skeleton.num_bones] * config["bones"]:
        width_in = 3 * config["channels"][-1]
        weights += branches * _branch_weights(config, skeleton.num_parts, hops + actional)
        weights += 6 * num_nodes * features
        if actional and graphs == "shared":
            weights += num_nodes**2
        if actional and graphs == "inferred":
            trajectory = config["actional_frames"] * features
            weights += (num_nodes + hidden) * trajectory + 5 * (1 + iterations) * hidden**2
            pairs = max(pairs, num_nodes**2 * (4 + 2 * hidden))
        if config["recognition"]:
            weights += width * (width_in + width + classes)
        if config["prediction"]:
            gru_inputs = 3 * features + (classes if config["recognition"] else 0)
            weights += width * (width_in + (head_hops + actional + 5) * width + 3 * gru_inputs + features)
            graph_entries += num_nodes**2 * head_hops
        graph_entries += num_nodes**2 * branches * len(config["channels"]) * hops
    return weights + graph_entries, graph_entries, pairs


def _branch_weights(config: Mapping[str, Any], num_parts: int, terms: int) -> int:
    """Estimate the weights of one branch whose joint-scale convolutions each have ``terms`` terms."""
    weights, width_in = 0, config["in_channels"]
    for block, width_out in enumerate(config["channels"]):
        fused = block in config["fusions"] and terms > 0 and config["parts"]
        for is_part in range(2):
            # With a joint scale, the part scale starts at block 1, where it is not fused yet.
            if (not config["parts"] or (block == 0 and terms)) if is_part else not terms:
                continue
            inputs = 2 * width_in if fused and not (is_part and block == 1) else width_in
            residual = inputs != width_out or config["strides"][block] != 1
            weights += (1 if is_part else terms) * inputs * width_out + num_parts**2 * is_part
            weights += config["kernel_size"] * width_out**2 + inputs * width_out * residual
        width_in = width_out
    return weights
