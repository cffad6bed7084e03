r"""The sizes in which SybioGNN comes (section 6.1.2), and the variants of the paper's Tables 1 and 10."""

from collections.abc import Mapping
from typing import Any

# NTU-RGB+D and Kinetics: nine J-GTC and eight P-GTC blocks; the length is halved, and the scales are fused,
# after the third and the sixth.
NTU: Mapping[str, Any] = {
    "channels": (64, 64, 64, 128, 128, 128, 256, 256, 256),
    "strides": (1, 1, 1, 2, 1, 1, 2, 1, 1),
    "fusions": (3, 6),
    "kernel_size": 9,
    "hops": 4,
    "actional_weight": 0.5,
    "head_channels": 256,
    "actional_channels": 128,
}

# Human3.6M and CMU Mocap, the paper's light version: four J-GTC and three P-GTC blocks. The paper does not
# give this version's temporal kernel; its heads and its AGIM are those of NTU.
MOCAP: Mapping[str, Any] = {
    **NTU,
    "channels": (32, 64, 128, 256),
    "strides": (1, 2, 2, 2),
    "fusions": (1, 2, 3),
    "kernel_size": 5,
    "actional_weight": 1.0,
}

# Ours: small enough to be trained in two minutes on two cores. Its strides leave one frame of 25, so that the
# mean over time keeps the phase of the motion, from which the forecast goes on.
DEMO: Mapping[str, Any] = {
    **MOCAP,
    "channels": (16, 32, 64),
    "strides": (2, 3, 5),
    "fusions": (1, 2),
    "hops": 2,
    "head_channels": 64,
    "actional_channels": 48,
}

# Ours: for live use, 64 observed frames of one person. With features so small a CPU spends time on starting
# operators, not on arithmetic, so there are few of them: two blocks that shorten the clip at once, one
# propagation, and the joint network alone (the bones' takes as long again; 'bones=True' brings it back).
REALTIME: Mapping[str, Any] = {
    **MOCAP,
    "channels": (32, 64),
    "strides": (4, 4),
    "fusions": (1,),
    "hops": 2,
    "head_channels": 64,
    "actional_channels": 48,
    "actional_iterations": 1,
    "bones": False,
}

PRESETS: Mapping[str, Mapping[str, Any]] = {"ntu": NTU, "mocap": MOCAP, "demo": DEMO, "realtime": REALTIME}

VARIANTS: Mapping[str, Mapping[str, bool]] = {
    "full": {},
    "only structural": {"actional": False, "parts": False},
    "only actional": {"structural": False, "parts": False},
    "only parts": {"structural": False, "actional": False},
    "no bones": {"bones": False},
    "no joints": {"joints": False},
    "no prediction": {"prediction": False},
    "no recognition": {"recognition": False},
}
