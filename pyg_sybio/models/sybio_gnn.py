r"""Symbiotic graph neural networks: action recognition and motion prediction in one model (section 5)."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from pyg_sybio import graphs
from pyg_sybio.arguments import check_arguments
from pyg_sybio.models import pretrained
from pyg_sybio.models.bone_correction import BoneCorrection
from pyg_sybio.models.network import ActionalGraphs, Encoded, SymbioticNetwork
from pyg_sybio.models.output import SybioOutput
from pyg_sybio.models.persons import Persons, persons_of_batch, persons_of_data
from pyg_sybio.models.presets import PRESETS
from pyg_sybio.models.version_0_1 import use_old_actional_graphs
from pyg_sybio.nn.backbone import MultiscaleGCN
from pyg_sybio.nn.bone_vectors import BoneVectors
from pyg_sybio.skeleton import AnySkeleton, Skeleton, load_skeleton

# Arguments of the model that are passed unchanged to each network.
_OF_EACH_NETWORK = (
    *("channels", "strides", "fusions", "kernel_size", "parts", "shared_branches", "head_channels"),
    *("actional_graphs", "actional_channels", "actional_iterations", "actional_frames", "actional_scale"),
    *("dropout", "in_channels", "prediction"),
)


class SybioGNN(nn.Module):
    r"""Symbiotic graph neural network: recognises the action and predicts the motion (Fig. 1).

    A joint network and its dual bone network each encode the observed motion :math:`X_{prev}`. The class
    probabilities are the mean of the probabilities of both networks (section 5.5),

    .. math::
        \hat{y} = \tfrac{1}{2}\big(\hat{y}_{joint} + \hat{y}_{bone}\big),

    and are an input of the prediction heads of both networks. In training, each network predicts its own
    nodes: future joints or future bones. In evaluation, only the joint network predicts, and the prediction
    head of the bone network does not run. A model with only the bone network (``joints=False``) recognises
    from bones and predicts bones, also in evaluation. It predicts no joints, because bones do not determine
    the position of the body.

    Models are usually created with :meth:`from_preset`. The arguments from ``actional`` to ``recognition``
    disable components of the model, as in Tables 1 and 10 of the paper; disabled components have no
    parameters.

    Args:
        skeleton: The skeleton of the poses, its name, or the path of its JSON file.
        num_classes: Number of classes :math:`C`; ignored if ``recognition`` is :obj:`False`.
        num_future: Default number of future frames :math:`T_{future}` in :meth:`forward`.
        in_channels: Number of features :math:`D` per joint. (default: given by the skeleton's coordinates)
        channels: Number of output features of each block.
        strides: Temporal stride of each block.
        fusions: Indices, from 0, of the blocks before which both scales are fused.
        kernel_size: Size :math:`\tau` of the temporal kernels.
        hops: Number of hops :math:`\Gamma` of the structural graphs.
        actional_weight: Weight :math:`\lambda_{act}` of the actional graphs.
        head_channels: Width of both heads.
        actional_graphs: ``"inferred"`` from the motion by AGIM, as in the paper; ``"shared"``, one learned
            graph for all motions; or ``"uniform"``, all weights the same. (default: ``"inferred"``)
        actional_channels: Width of AGIM.
        actional_iterations: Number of propagations :math:`K` in AGIM. (default: :obj:`1`)
        actional_frames: Number of frames to which AGIM resamples trajectories. (default: :obj:`50`)
        actional_scale: Scale of the affinities in AGIM. (default: one over the square root of
            ``actional_channels``)
        dropout: Dropout probability in blocks and AGIM. (default: :obj:`0.0`)
        shared_branches: Whether the branches for the three orders of difference share their weights.
            (default: :obj:`True`)
        bone_weight: Weight of a predicted bone relative to a predicted joint. In evaluation, predicted bones
            then correct the predicted joints (:class:`~pyg_sybio.models.bone_correction.BoneCorrection`); 0
            disables the correction, as in the paper. (default: :obj:`0.0`)
        actional: Whether to use actional graphs.
        structural: Whether to use structural graphs.
        parts: Whether to use the part scale.
        joints: Whether to use the joint network.
        bones: Whether to use the dual bone network.
        prediction: Whether to predict motion.
        recognition: Whether to recognise actions.

    Shapes:
        - **batch:** a PyG ``Batch`` with ``x`` :math:`(\sum P \cdot M, T, D)`, or a dense tensor
          :math:`(N, T, M, D)` or :math:`(N, P, T, M, D)`, any :math:`T \geq 1`
        - **output:** :class:`SybioOutput`

    Raises:
        ValueError: If both tasks or both networks are disabled, or a number is out of its range; if the input
            does not fit the skeleton, is empty, or is not finite. (Finite values are only checked on the CPU,
            where this requires no synchronisation.)

    Note:
        With only the part scale, the prediction head still uses the structural graph, because its hidden
        state is defined on joints.
    """

    def __init__(
        self,
        skeleton: AnySkeleton,
        *,
        num_classes: int,
        num_future: int,
        in_channels: int | None = None,
        channels: Sequence[int],
        strides: Sequence[int],
        fusions: Sequence[int],
        kernel_size: int,
        hops: int,
        actional_weight: float,
        head_channels: int,
        actional_graphs: ActionalGraphs = "inferred",
        actional_channels: int,
        actional_iterations: int = 1,
        actional_frames: int = 50,
        actional_scale: float | None = None,
        dropout: float = 0.0,
        shared_branches: bool = True,
        bone_weight: float = 0.0,
        actional: bool = True,
        structural: bool = True,
        parts: bool = True,
        joints: bool = True,
        bones: bool = True,
        prediction: bool = True,
        recognition: bool = True,
    ) -> None:
        # Read the arguments from the signature, so that they are not listed again.
        config = {
            key: value for key, value in locals().items() if key not in ("self", "__class__", "skeleton")
        }
        super().__init__()
        skeleton = load_skeleton(skeleton)
        if not (recognition or prediction):
            raise ValueError("expected at least one task, but 'recognition' and 'prediction' are both False")
        if not (joints or bones):
            raise ValueError("expected at least one network, but 'joints' and 'bones' are both False")
        for name, count in (("num_classes", num_classes if recognition else 1), ("num_future", num_future)):
            if count < 1:
                raise ValueError(f"'{name}' must be at least 1, but it is {count}")
        if not 0 <= bone_weight < math.inf:
            raise ValueError(f"'bone_weight' must be finite and not negative, but it is {bone_weight}")
        config["in_channels"] = in_channels = in_channels or skeleton.num_features
        self.skeleton, self.in_channels, self.num_future = skeleton, in_channels, num_future
        self.num_classes = num_classes if recognition else 0
        self.config: dict[str, Any] = {
            "skeleton": skeleton.to_dict(),
            **{key: list(value) if isinstance(value, tuple) else value for key, value in config.items()},
        }

        def network(topology: graphs.NetworkGraphs) -> SymbioticNetwork:
            return SymbioticNetwork(
                topology,
                num_classes=self.num_classes,
                hops=hops if structural else 0,
                head_hops=hops if structural or not actional else 0,
                actional_weight=actional_weight if actional else 0.0,
                **{name: config[name] for name in _OF_EACH_NETWORK},
            )

        self.joint_network = network(graphs.joint_graphs(skeleton)) if joints else None
        self.bone_network = self.bone_vectors = None
        if bones:
            dual = graphs.dual_graphs(skeleton)
            self.bone_vectors, self.bone_network = BoneVectors(dual.nodes), network(dual)
        corrects = joints and bones and prediction and bone_weight > 0
        self.bone_correction = BoneCorrection(skeleton, bone_weight) if corrects else None

    @classmethod
    def from_preset(
        cls, preset: str, *, skeleton: AnySkeleton, num_classes: int, num_future: int, **overrides: Any
    ) -> Self:
        """Build a model from a preset.

        Args:
            preset: ``"ntu"`` or ``"mocap"`` from the paper, ``"demo"`` (small), or ``"realtime"`` (smallest).
            skeleton: The skeleton of the poses, its name, or the path of its JSON file.
            num_classes: Number of classes.
            num_future: Default number of future frames.
            **overrides: Arguments of the constructor that override the preset.

        Raises:
            ValueError: If the preset or an argument is unknown, or an argument has the wrong type.
        """
        if preset not in PRESETS:
            raise ValueError(f"'preset' is {preset!r}, expected one of {', '.join(PRESETS)}")
        return cls._from_arguments(
            skeleton, {**PRESETS[preset], "num_classes": num_classes, "num_future": num_future, **overrides}
        )

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Build a model with new weights from the :attr:`config` of a model.

        Raises:
            ValueError: If the skeleton or an argument is missing, unknown or invalid.
        """
        if not isinstance(config, Mapping):
            raise ValueError(f"the model's config must be an object, but it is {config!r}")
        if "skeleton" not in config:
            raise ValueError("the model's config has no 'skeleton'")
        arguments = {key: value for key, value in config.items() if key != "skeleton"}
        return cls._from_arguments(
            Skeleton.from_dict(config["skeleton"], where="the model's config"), arguments
        )

    @classmethod
    def _from_arguments(cls, skeleton: AnySkeleton, arguments: Mapping[str, Any]) -> Self:
        check_arguments(SybioGNN.__init__, arguments, of="the model")
        return cls(skeleton, **arguments)

    @property
    def checkpoint_activations(self) -> bool:
        """Whether training recomputes the activations inside each block instead of storing them.

        This reduces the memory of training and makes training steps slower; the results stay the same.
        """
        return all(branch.checkpoint_activations for branch in self._branches())

    @checkpoint_activations.setter
    def checkpoint_activations(self, value: bool) -> None:
        for branch in self._branches():
            branch.checkpoint_activations = value

    def _branches(self) -> Iterator[MultiscaleGCN]:
        yield from (module for module in self.modules() if isinstance(module, MultiscaleGCN))

    def forward(
        self, batch: Data | Tensor | np.ndarray, present: Tensor | None = None, num_future: int | None = None
    ) -> SybioOutput:
        """Recognise the action of every clip and predict the motion of every person.

        Args:
            batch: The observed motion.
            present: Which persons of a dense tensor with a person dimension are present, ``[N, P]``.
                (default: persons whose motion is not all zeros)
            num_future: Number of future frames. (default: the model's ``num_future``)
        """
        persons = self._persons(batch, present)
        num_future = self.num_future if num_future is None else num_future
        if num_future < 1:
            raise ValueError(f"'num_future' must be at least 1, but it is {num_future}")

        joints = None if self.joint_network is None else self.joint_network(persons.x)
        bones_predict = self.training or joints is None or self.bone_correction is not None
        bones = None
        # Without recognition, the bone network is only needed for its own prediction.
        bones_matter = bones_predict or self.num_classes > 0
        if self.bone_network is not None and self.bone_vectors is not None and bones_matter:
            bones = self.bone_network(self.bone_vectors(persons.x))
        network_logits = self._recognize(
            [each.features for each in (joints, bones) if each is not None], persons
        )
        logits = None  # logarithm of the networks' mean probabilities
        if network_logits is not None:
            logits = network_logits.logsumexp(dim=0) - math.log(len(network_logits))
        probabilities = None if logits is None else persons.from_clips(logits.softmax(dim=-1))  # [G, C]

        def predicted(network: SymbioticNetwork | None, encoded: Encoded | None) -> Tensor | None:
            if network is None or encoded is None or network.prediction_head is None:
                return None
            return persons.dense(network.predict(*encoded, probabilities, num_future))

        future = predicted(self.joint_network, joints)
        bone_future = predicted(self.bone_network, bones) if bones_predict else None
        if self.bone_correction is not None and not self.training:
            if future is not None and bone_future is not None:
                future = self.bone_correction(future, bone_future)
            bone_future = None
        actional, bone_actional = (
            None if each is None or each.actional is None else persons.dense(each.actional)
            for each in (joints, bones)
        )
        return SybioOutput(
            logits=logits,
            future=future,
            actional=actional,
            bone_future=bone_future,
            present=persons.present,
            network_logits=network_logits if self.training else None,
            bone_actional=bone_actional,
        )

    def _recognize(self, features: list[Tensor], persons: Persons) -> Tensor | None:
        """Return the log probabilities of each network, ``[K, N, C]``."""
        if not self.num_classes:
            return None
        networks = [network for network in (self.joint_network, self.bone_network) if network is not None]
        log_probabilities = []
        for network, each in zip(networks, features, strict=True):
            assert network.recognition_head is not None
            logits = network.recognition_head(each, persons.clip, persons.num_groups)[: persons.num_clips]
            precise = torch.promote_types(logits.dtype, torch.float32)
            log_probabilities.append(logits.log_softmax(dim=-1, dtype=precise))
        return torch.stack(log_probabilities)

    def folded(self, dtype: torch.dtype | None = None) -> Any:
        """Return a copy for evaluation that computes the same outputs faster.

        Args:
            dtype: Type of the computation: the type of the model, or ``torch.bfloat16``, which needs about
                half the time. (default: the type of the model)

        Returns:
            A :class:`~pyg_sybio.accelerate.folded.FoldedSybioGNN`.
        """
        from pyg_sybio.accelerate.folded import FoldedSybioGNN

        return FoldedSybioGNN(self, dtype)

    def stream(
        self,
        *,
        skeleton: AnySkeleton | None = None,
        fps: float = 30.0,
        num_observed: int | None = None,
        frame_rate: float | None = None,
        class_names: Sequence[str] | None = None,
        padding: str = "repeat",
        **settings: Any,
    ) -> Any:
        """Return a stream that applies the model to live poses, without preprocessing.

        Args:
            skeleton: Skeleton of the poses, which contains the model's joints. (default: the model's)
            fps: Expected number of poses per second.
            num_observed: Window length in frames. (default: the number of frames that AGIM resamples to)
            frame_rate: Frame rate of the window in Hz. (default: ``fps``)
            class_names: Names of the classes. (default: the class indices)
            padding: How to fill a window with too few frames: ``"repeat"`` or ``"hold"``.
            **settings: Other arguments of :class:`~pyg_sybio.streaming.motion_stream.MotionStream`.

        Returns:
            A :class:`~pyg_sybio.streaming.motion_stream.MotionStream`.
        """
        from pyg_sybio.streaming.motion_stream import MotionStream
        from pyg_sybio.trained.preparation import Preparation

        preparation = Preparation(
            skeleton=self.skeleton,
            num_observed=num_observed or self.config["actional_frames"],
            frame_rate=frame_rate or fps,
            padding=padding,
        )
        names = tuple(map(str, range(self.num_classes))) if class_names is None else tuple(class_names)
        return MotionStream(self, preparation, skeleton=skeleton, fps=fps, class_names=names, **settings)

    def dense(self, batch: Data, key: str) -> Tensor:
        """Return a node attribute of a PyG ``Batch`` in the layout of the outputs, ``[N, (P,) T, M, D]``."""
        persons = persons_of_data(batch, self.skeleton.num_joints, key)
        return persons.dense(persons.x)

    def _persons(self, batch: Data | Tensor | np.ndarray, present: Tensor | None) -> Persons:
        like = next(each for each in self.buffers() if each.is_floating_point())  # weights may be in bfloat16
        # Batch norms mix persons in training, so absent persons must not be included.
        padded = not self.training
        return persons_of_batch(batch, present, self.skeleton, self.in_channels, like=like, padded=padded)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write ``config.json`` (with the skeleton) and ``model.safetensors`` atomically into a folder."""
        pretrained.save(self, Path(folder))

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> Self:
        """Load a model saved by :meth:`save_pretrained`, in evaluation mode.

        Args:
            folder: The folder, or the name of a model on the hub
                (:func:`~pyg_sybio.trained.hub.repository_of`).

        Raises:
            FileNotFoundError: If the folder lacks one of the two files, or the hub has no such model.
            ValueError: If a file is invalid, or the weights belong to another model.
        """
        from pyg_sybio.trained import hub  # imported here, because the module is at a higher level

        repository = hub.repository_of(folder)
        folder = Path(folder) if repository is None else hub.pull(repository)
        config, weights = pretrained.read(folder)
        model = cls.from_config(config)
        model.load_weights(weights, where=str(folder / pretrained.WEIGHTS_FILE))
        return model.eval()

    def load_weights(self, weights: Mapping[str, Tensor], *, where: str) -> None:
        """Load a state dict completely or not at all; the error names the first tensor that differs.

        Raises:
            ValueError: If a tensor is missing, unknown or of another shape.
        """
        use_old_actional_graphs(self, weights)
        pretrained.check_weights(self.state_dict(), weights, where=where, skeleton=self.skeleton)
        self.load_state_dict(dict(weights))
