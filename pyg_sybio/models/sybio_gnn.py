r"""Symbiotic graph neural networks: action recognition and motion prediction in one model (section 5)."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
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
from pyg_sybio.models.network import Encoded, SymbioticNetwork
from pyg_sybio.models.output import SybioOutput
from pyg_sybio.models.persons import Persons, check_poses, persons_of_data, persons_of_tensor
from pyg_sybio.models.presets import PRESETS
from pyg_sybio.models.pretrained import CONFIG_FILE as CONFIG_FILE
from pyg_sybio.models.pretrained import WEIGHTS_FILE as WEIGHTS_FILE
from pyg_sybio.nn.backbone import MultiscaleGCN
from pyg_sybio.nn.bone_vectors import BoneVectors
from pyg_sybio.skeleton import Skeleton


class SybioGNN(nn.Module):
    r"""Symbiotic graph neural network: recognises the action and predicts the motion (Fig. 1).

    A joint network and its bone dual each turn the observed motion :math:`X_{prev}` into features. The class
    probabilities are the mean of both networks' (section 5.5),

    .. math::
        \hat{y} = \tfrac{1}{2}\big(\hat{y}_{joint} + \hat{y}_{bone}\big),

    and they help to predict: :math:`\hat{y}` enters both prediction heads. In training both networks predict
    their own future; in evaluation the joint network alone answers, and the bone network's prediction head
    does not run. The bone network alone (``joints=False``) recognises from bones and predicts bones, in
    evaluation as well: there is no future of joints then, as the bones do not say where the body is.

    Usually made by :meth:`from_preset`. The arguments from ``actional`` on leave parts of the model out, as
    in Tables 1 and 10; what is left out has no parameters.

    Args:
        skeleton: The skeleton of the poses.
        num_classes: The number of actions :math:`C`. Without recognition it is not used.
        num_future: The number of future frames :math:`T_{future}` when :meth:`forward` is not told.
        in_channels: Features :math:`D` of a joint. (default: as many as the skeleton's coordinates)
        channels: The width of each block.
        strides: The temporal stride of each block.
        fusions: The blocks, counted from 0, whose inputs the two scales exchange.
        kernel_size: The temporal kernel :math:`\tau`.
        hops: The hops :math:`\Gamma` of the structural graphs.
        actional_weight: :math:`\lambda_{act}`.
        head_channels: Width of both heads.
        actional_channels: Width of AGIM.
        actional_iterations: The number :math:`K` of AGIM's propagations. (default: :obj:`2`)
        actional_frames: The frames to which AGIM resamples a trajectory. (default: :obj:`50`)
        dropout: Dropout in blocks and AGIM. (default: :obj:`0.0`)
        shared_branches: One set of branch weights for the three orders of difference. (default: :obj:`True`)
        bone_weight: In evaluation, what a bone that the bone network predicts counts beside a joint that the
            joint network predicts, where there are both. (default: :obj:`0.0`, the paper's: nothing)
        actional: Use actional graphs.
        structural: Use structural graphs.
        parts: Use the part scale.
        joints: Have the joint network.
        bones: Have the dual bone network.
        prediction: Have the prediction head.
        recognition: Have the recognition head.

    Shapes:
        - **batch:** a PyG ``Batch`` with ``x`` :math:`(\sum P \cdot M, T, D)`, or a dense tensor
          :math:`(N, T, M, D)` or :math:`(N, P, T, M, D)`, any :math:`T \geq 1`
        - **output:** :class:`SybioOutput`

    Raises:
        ValueError: If every task or both networks are left out, or a number is out of its range; if the input
            does not fit the skeleton, is empty, or (on the CPU, where looking costs no synchronisation) holds
            a NaN or an infinity.

    Note:
        With parts alone, the prediction head keeps the structural graph: its hidden state lives on joints.
    """

    def __init__(
        self,
        skeleton: Skeleton,
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
        actional_channels: int,
        actional_iterations: int = 2,
        actional_frames: int = 50,
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
        # The signature is the only list of the arguments; 'config' holds the values that came.
        config = {
            key: value for key, value in locals().items() if key not in ("self", "__class__", "skeleton")
        }
        super().__init__()
        if not (recognition or prediction):
            raise ValueError("a model needs a task, but 'recognition' and 'prediction' are both False")
        if not (joints or bones):
            raise ValueError("a model needs a network, but 'joints' and 'bones' are both False")
        if recognition and num_classes < 1:
            raise ValueError(f"'num_classes' must be at least 1, but it is {num_classes}")
        if num_future < 1:
            raise ValueError(f"'num_future' must be at least 1, but it is {num_future}")
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
                in_channels=in_channels,
                num_classes=self.num_classes,
                prediction=prediction,
                channels=channels,
                strides=strides,
                fusions=fusions,
                kernel_size=kernel_size,
                hops=hops if structural else 0,
                head_hops=hops if structural or not actional else 0,
                actional_weight=actional_weight if actional else 0.0,
                parts=parts,
                shared_branches=shared_branches,
                head_channels=head_channels,
                actional_channels=actional_channels,
                actional_iterations=actional_iterations,
                actional_frames=actional_frames,
                dropout=dropout,
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
        cls, preset: str, *, skeleton: Skeleton, num_classes: int, num_future: int, **overrides: Any
    ) -> Self:
        """Make a model of a named size.

        Args:
            preset: ``"ntu"`` and ``"mocap"`` are the paper's, ``"demo"`` is small, ``"realtime"`` smallest.
            skeleton: The skeleton of the poses.
            num_classes: The number of actions.
            num_future: The number of future frames.
            **overrides: Any other argument of the constructor, in place of the preset's.

        Raises:
            ValueError: If there is no such preset or argument, or an argument is of the wrong type.
        """
        if preset not in PRESETS:
            raise ValueError(f"there is no preset '{preset}'; there are {', '.join(PRESETS)}")
        return cls._from_arguments(
            skeleton, {**PRESETS[preset], "num_classes": num_classes, "num_future": num_future, **overrides}
        )

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make a model of what :attr:`config` holds, with new weights.

        Raises:
            ValueError: If the skeleton or an argument is missing, unknown or wrong.
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
    def _from_arguments(cls, skeleton: Skeleton, arguments: Mapping[str, Any]) -> Self:
        check_arguments(SybioGNN.__init__, arguments, of="the model")
        return cls(skeleton, **arguments)

    @property
    def checkpoint_activations(self) -> bool:
        """Whether training computes each block's inner features again instead of keeping them.

        For clips whose features do not fit into memory: the numbers stay, a training step takes longer.
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
            present: Which persons of a dense tensor with a person dimension are present, ``[N, P]``; by
                default those that are not zero throughout.
            num_future: The number of future frames, in place of the model's own.
        """
        persons = self._persons(batch, present)
        num_future = self.num_future if num_future is None else num_future
        if num_future < 1:
            raise ValueError(f"'num_future' must be at least 1, but it is {num_future}")

        joints = None if self.joint_network is None else self.joint_network(persons.x)
        bones_predict = self.training or joints is None or self.bone_correction is not None
        bones = None
        # Without recognition the bone network serves its own prediction alone.
        bones_matter = bones_predict or self.num_classes > 0
        if self.bone_network is not None and self.bone_vectors is not None and bones_matter:
            bones = self.bone_network(self.bone_vectors(persons.x))
        network_logits = self._recognize(
            [each.features for each in (joints, bones) if each is not None], persons
        )
        logits = None  # of the mean of the networks' probabilities
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
        actional = None if joints is None else joints.actional
        return SybioOutput(
            logits=logits,
            future=future,
            actional=None if actional is None else persons.dense(actional),
            bone_future=bone_future,
            present=persons.present,
            network_logits=network_logits if self.training else None,
        )

    def _recognize(self, features: list[Tensor], persons: Persons) -> Tensor | None:
        """Return the log of each network's probabilities, ``[K, N, C]``."""
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
        """Return a copy, only for evaluation, that computes the same faster.

        Args:
            dtype: The type in which it computes: the model's own, or ``torch.bfloat16`` for half the time.
                (default: the model's own)

        Returns:
            A :class:`~pyg_sybio.accelerate.folded.FoldedSybioGNN`.
        """
        from pyg_sybio.accelerate.folded import FoldedSybioGNN

        return FoldedSybioGNN(self, dtype)

    def stream(
        self,
        *,
        skeleton: Skeleton | None = None,
        fps: float = 30.0,
        num_observed: int | None = None,
        frame_rate: float | None = None,
        class_names: Sequence[str] | None = None,
        missing: str = "interpolate",
        padding: str = "repeat",
        **settings: Any,
    ) -> Any:
        """Answer live poses, which go into the model as they come: nothing else is done to them.

        Args:
            skeleton: The joints of the poses, among which the model's are found. (default: the model's)
            fps: Poses a second that are going to come.
            num_observed: Frames of the window. (default: to as many the actional graph resamples)
            frame_rate: Of the window, Hz. (default: ``fps``)
            class_names: Names of the classes. (default: their numbers)
            missing: What becomes of joints that were not seen: ``"hold"``, ``"interpolate"`` or ``"mask"``.
            padding: How a window is filled while there are too few frames: ``"repeat"`` or ``"hold"``.
            **settings: Of :class:`~pyg_sybio.streaming.motion_stream.MotionStream`.
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
        return MotionStream(
            self, preparation, skeleton=skeleton, fps=fps, class_names=names, missing=missing, **settings
        )

    def dense(self, batch: Data, key: str) -> Tensor:
        """Return a node attribute of a PyG ``Batch`` as ``[N, (P,) T, M, D]``, like the outputs."""
        persons = persons_of_data(batch, self.skeleton.num_joints, key)
        return persons.dense(persons.x)

    def _persons(self, batch: Data | Tensor | np.ndarray, present: Tensor | None) -> Persons:
        if isinstance(batch, np.ndarray):
            batch = torch.from_numpy(batch).to(self._like.device)
        if isinstance(batch, Tensor):
            # Batch norms mix persons in training: an absent one must not be among them.
            persons = persons_of_tensor(batch, present, padded=not self.training)
        elif present is not None:
            raise ValueError("'present' goes with a dense tensor; a PyG batch holds no absent persons")
        else:
            persons = persons_of_data(batch, self.skeleton.num_joints)
        check_poses(persons.x, self.skeleton, self.in_channels)
        return replace(persons, x=persons.x.to(self._like.dtype))

    @property
    def _like(self) -> Tensor:
        """A parameter, for the model's type and device."""
        return next(self.parameters())

    def save_pretrained(self, folder: str | Path) -> None:
        """Write ``config.json`` (with the skeleton) and ``model.safetensors`` into a folder.

        Each file appears whole or not at all.
        """
        pretrained.save(self, Path(folder))

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> Self:
        """Read a model that :meth:`save_pretrained` wrote, ready for evaluation.

        Args:
            folder: The folder; where there is none, and ``huggingface_hub`` is installed, the name of one on
                the hub, ``owner/name`` (:func:`~pyg_sybio.trained.hub.pull`).

        Raises:
            FileNotFoundError: If the folder lacks one of the two files, or the hub has no model of that name.
            ValueError: If a file is broken, or the weights belong to another model.
        """
        from pyg_sybio.trained import hub  # imported here, because it stands above this module

        folder = Path(folder)
        if not folder.exists() and hub.is_hub_name(folder.as_posix()) and hub.is_installed():
            folder = hub.pull(folder.as_posix())
        config, weights = pretrained.read(folder)
        model = cls.from_config(config)
        model.load_weights(weights, where=str(folder / pretrained.WEIGHTS_FILE))
        return model.eval()

    def load_weights(self, weights: Mapping[str, Tensor], *, where: str) -> None:
        """Load a state dict; on a mismatch name the first tensor that differs, and load nothing.

        Raises:
            ValueError: If a tensor is missing, unknown or of another shape.
        """
        pretrained.check_weights(self.state_dict(), weights, where=where, skeleton=self.skeleton)
        self.load_state_dict(dict(weights))
