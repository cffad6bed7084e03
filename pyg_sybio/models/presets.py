r"""Presets of SybioGNN (section 6.1.2), and the variants of the paper's Tables 1 and 10."""

from collections.abc import Mapping
from typing import Any

# NTU-RGB+D and Kinetics: nine J-GTC and eight P-GTC blocks. After the third and the sixth block, the number
# of frames is halved and the scales are fused.
NTU: Mapping[str, Any] = {
    "channels": (64, 64, 64, 128, 128, 128, 256, 256, 256),
    "strides": (1, 1, 1, 2, 1, 1, 2, 1, 1),
    "fusions": (3, 6),
    "kernel_size": 9,
    "hops": 4,
    "actional_weight": 0.5,
    "head_channels": 256,
    "actional_channels": 128,
    "dropout": 0.1,  # the paper uses dropout, but does not give the rate
}

# Human3.6M and CMU Mocap, the paper's light version: four J-GTC and three P-GTC blocks. The paper does not
# give the temporal kernel of this version. The widths of the heads and of AGIM are the same as for NTU.
MOCAP: Mapping[str, Any] = {
    **NTU,
    "channels": (32, 64, 128, 256),
    "strides": (1, 2, 2, 2),
    "fusions": (1, 2, 3),
    "kernel_size": 5,
    "actional_weight": 1.0,
}

# Not in the paper: small enough to train in two minutes on two cores. The strides reduce 25 frames to one,
# because a mean over several frames would lose the phase of the motion, which prediction needs.
DEMO: Mapping[str, Any] = {
    **MOCAP,
    "channels": (16, 32, 64),
    "strides": (2, 3, 5),
    "fusions": (1, 2),
    "hops": 2,
    "head_channels": 64,
    "actional_channels": 48,
    "dropout": 0.0,  # with only a few hundred steps, dropout only slows training down
}

# Not in the paper: for live streams, with 64 observed frames of one person. With small features, a CPU spends
# most of the time on operator overhead, so this preset has few operators: two blocks with large strides, and
# only the joint network. 'bones=True' enables the bone network, which doubles the time.
REALTIME: Mapping[str, Any] = {
    **MOCAP,
    "channels": (32, 64),
    "strides": (4, 4),
    "fusions": (1,),
    "hops": 2,
    "head_channels": 64,
    "actional_channels": 48,
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
