"""The paper's own figures of the experiments, by data set, as its tables give them."""

from collections.abc import Mapping

from pyg_sybio.experiments.layouts import PaperErrors

CROSS_SUBJECT = "NTU RGB+D cross-subject"
CROSS_VIEW = "NTU RGB+D cross-view"
KINETICS = "Kinetics"
HUMAN36M = "Human3.6M"
CMU_MOCAP = "CMU Mocap"

# Tables 1, 2, 3: accuracy in percent, parameters in millions, seconds a sample.
VARIANTS_TOP1 = {
    CROSS_SUBJECT: {
        "full": 90.1, "only structural": 88.3, "only actional": 85.7, "only parts": 86.5, "no bones": 87.1,
        "no prediction": 89.0,
    },
    CROSS_VIEW: {
        "full": 96.4, "only structural": 94.5, "only actional": 93.7, "only parts": 87.3, "no bones": 93.8,
        "no prediction": 95.7,
    },
    KINETICS: {"full": 37.2, "no prediction": 36.4},
    HUMAN36M: {"full": 56.5, "only joints": 55.6, "only parts": 54.3,
        "no bones": 53.5, "no prediction": 55.2},
    CMU_MOCAP: {"full": 98.8, "only joints": 96.5, "only parts": 94.9,
        "no bones": 93.5, "no prediction": 96.6},
}  # fmt: skip
TASKS_TOP1 = {name: VARIANTS_TOP1[name] for name in (CROSS_SUBJECT, CROSS_VIEW)}
VARIANTS_TOP5 = {
    KINETICS: {"full": 58.1, "no prediction": 57.4},
    HUMAN36M: {"full": 95.3, "only joints": 93.9, "only parts": 93.1,
        "no bones": 93.2, "no prediction": 94.1},
    CMU_MOCAP: {"full": 100.0, "only joints": 99.4, "only parts": 98.0,
        "no bones": 95.8, "no prediction": 99.4},
}  # fmt: skip
VARIANTS_PARAMETERS = {
    "NTU RGB+D": {
        "full": 14.85, "only structural": 7.83, "only actional": 5.12, "only parts": 5.14, "no bones": 7.43,
        "no prediction": 9.14,
    },
}  # fmt: skip
VARIANTS_MILLISECONDS = {
    "NTU RGB+D, on a GTX 1080 Ti": {
        "full": 60.3, "only structural": 23.7, "only actional": 26.4, "only parts": 22.9, "no bones": 59.7,
        "no prediction": 42.3,
    },
}  # fmt: skip

# Table 8: accuracy in percent with a share of the prediction targets shuffled.
NOISY_TARGETS = {
    CROSS_SUBJECT: {
        "0 %": 90.1, "10 %": 89.8, "20 %": 89.5, "50 %": 89.1,
        "70 %": 88.5, "100 %": 87.7, "no prediction": 89.0,
    },
    CROSS_VIEW: {
        "0 %": 96.4, "10 %": 96.1, "20 %": 96.1, "50 %": 95.5,
        "70 %": 94.9, "100 %": 93.9, "no prediction": 95.7,
    },
}  # fmt: skip

# Table 9. It says 87.3 of parts alone, where Table 1 says 86.5.
HOPS = {
    CROSS_SUBJECT: {
        "only structural, Γ = 1": 85.9, "only structural, Γ = 2": 86.2, "only structural, Γ = 3": 87.5,
        "only structural, Γ = 4": 88.3, "only actional": 85.7, "only parts": 87.3,
        "full, Γ = 1": 86.1, "full, Γ = 2": 86.9, "full, Γ = 3": 88.3, "full, Γ = 4": 90.1,
    },
}  # fmt: skip

# Table 10.
NETWORKS = {
    CROSS_SUBJECT: {"only joints": 87.1, "only bones": 87.4, "both": 90.1},
    CROSS_VIEW: {"only joints": 93.8, "only bones": 93.5, "both": 96.4},
}

# Tables 4, 5 and 7 (Human3.6M; the last two horizons are given for four actions only).
_H36M_SHORT = (80, 160, 320, 400)
_ZERO_H36M = {
    "walking": (0.39, 0.68, 0.99, 1.15), "eating": (0.27, 0.48, 0.73, 0.86),
    "smoking": (0.26, 0.48, 0.97, 0.95), "discussion": (0.31, 0.67, 0.94, 1.04),
    "directions": (0.39, 0.59, 0.79, 0.89), "greeting": (0.54, 0.89, 1.30, 1.49),
    "phoning": (0.64, 1.21, 1.65, 1.83), "posing": (0.28, 0.57, 1.13, 1.37),
    "purchases": (0.62, 0.88, 1.19, 1.27), "sitting": (0.40, 1.63, 1.02, 1.18),
    "sittingdown": (0.39, 0.74, 1.07, 1.19), "takingphoto": (0.25, 0.51, 0.79, 0.92),
    "waiting": (0.34, 0.67, 1.22, 1.47), "walkingdog": (0.60, 0.98, 1.36, 1.50),
    "walkingtogether": (0.33, 0.66, 0.94, 0.99),
}  # fmt: skip
_FULL_H36M = {
    "walking": (0.17, 0.31, 0.50, 0.60), "eating": (0.16, 0.29, 0.48, 0.60),
    "smoking": (0.21, 0.40, 0.76, 0.80), "discussion": (0.21, 0.55, 0.77, 0.85),
    "directions": (0.23, 0.42, 0.57, 0.65), "greeting": (0.35, 0.60, 0.95, 1.15),
    "phoning": (0.48, 0.80, 1.28, 1.41), "posing": (0.18, 0.45, 0.97, 1.20),
    "purchases": (0.40, 0.60, 0.97, 1.04), "sitting": (0.24, 0.41, 0.77, 0.95),
    "sittingdown": (0.28, 0.60, 0.89, 0.99), "takingphoto": (0.14, 0.32, 0.53, 0.64),
    "waiting": (0.22, 0.48, 0.87, 1.06), "walkingdog": (0.42, 0.73, 1.08, 1.22),
    "walkingtogether": (0.16, 0.33, 0.50, 0.56),
}  # fmt: skip
_NO_RECOGNITION_H36M = {
    "walking": (0.18, 0.31, 0.50, 0.59), "eating": (0.16, 0.29, 0.49, 0.61),
    "smoking": (0.21, 0.40, 0.80, 0.80), "discussion": (0.22, 0.57, 0.85, 0.93),
    "directions": (0.24, 0.45, 0.61, 0.67), "greeting": (0.36, 0.61, 0.98, 1.17),
    "phoning": (0.50, 0.86, 1.29, 1.43), "posing": (0.18, 0.44, 0.99, 1.22),
    "purchases": (0.40, 0.62, 1.00, 1.08), "sitting": (0.23, 0.41, 0.80, 0.97),
    "sittingdown": (0.30, 0.62, 0.91, 1.03), "takingphoto": (0.16, 0.34, 0.55, 0.66),
    "waiting": (0.22, 0.49, 0.89, 1.09), "walkingdog": (0.42, 0.74, 1.09, 1.25),
    "walkingtogether": (0.17, 0.34, 0.52, 0.57),
}  # fmt: skip
_ACTIONAL_H36M = {
    "walking": (0.19, 0.35, 0.54, 0.63), "eating": (0.18, 0.34, 0.54, 0.66),
    "smoking": (0.23, 0.43, 0.84, 0.82), "discussion": (0.26, 0.62, 0.81, 0.87),
}  # fmt: skip
_STRUCTURAL_H36M = {
    "walking": (0.19, 0.33, 0.54, 0.69), "eating": (0.17, 0.32, 0.52, 0.66),
    "smoking": (0.21, 0.41, 0.83, 0.82), "discussion": (0.24, 0.64, 0.93, 1.01),
}  # fmt: skip
# Table 7: 560 and 1000 ms.
_ZERO_H36M_LONG = {
    "walking": (1.35, 1.32), "eating": (1.04, 1.38), "smoking": (1.02, 1.69), "discussion": (1.41, 1.96),
}  # fmt: skip
_FULL_H36M_LONG = {
    "walking": (0.75, 0.78), "eating": (0.77, 0.88), "smoking": (0.92, 1.18), "discussion": (1.17, 1.28),
}  # fmt: skip

# Table 6 (CMU Mocap).
_FULL_CMU = {
    "basketball": (0.32, 0.48, 0.91, 1.06, 1.47), "basketball_signal": (0.12, 0.21, 0.38, 0.49, 0.94),
    "directing_traffic": (0.20, 0.41, 0.75, 0.87, 1.84), "jumping": (0.32, 0.55, 1.40, 1.60, 1.82),
    "running": (0.21, 0.33, 0.53, 0.56, 0.65), "soccer": (0.19, 0.32, 0.66, 0.78, 1.32),
    "walking": (0.26, 0.32, 0.35, 0.39, 0.52), "washwindow": (0.22, 0.33, 0.55, 0.73, 1.05),
}  # fmt: skip
_NO_RECOGNITION_CMU = {
    "basketball": (0.33, 0.48, 0.95, 1.09, 1.47), "basketball_signal": (0.15, 0.26, 0.47, 0.56, 1.04),
    "directing_traffic": (0.20, 0.41, 0.77, 0.89, 1.95), "jumping": (0.32, 0.55, 1.40, 1.60, 1.87),
    "running": (0.21, 0.33, 0.53, 0.56, 0.66), "soccer": (0.22, 0.38, 0.72, 0.83, 1.38),
    "walking": (0.26, 0.32, 0.38, 0.41, 0.54), "washwindow": (0.22, 0.33, 0.62, 0.83, 1.07),
}  # fmt: skip


def _joined(
    short: Mapping[str, tuple[float, ...]], long: Mapping[str, tuple[float, ...]]
) -> dict[str, tuple[float, ...]]:
    """Errors of both horizons; NaN where the paper has no long one."""
    return {action: (*errors, *long.get(action, (float("nan"),) * 2)) for action, errors in short.items()}


ERRORS = {
    "Human36M": PaperErrors(
        source=f"{HUMAN36M}, Tables 4, 5 and 7",
        horizons=(*_H36M_SHORT, 560, 1000),
        errors={
            "full": _joined(_FULL_H36M, _FULL_H36M_LONG),
            "no recognition": _joined(_NO_RECOGNITION_H36M, {}),
            "only actional": _joined(_ACTIONAL_H36M, {}),
            "only structural": _joined(_STRUCTURAL_H36M, {}),
            "zero velocity": _joined(_ZERO_H36M, _ZERO_H36M_LONG),
        },
    ),
    "CMUMocap": PaperErrors(
        source=f"{CMU_MOCAP}, Table 6",
        horizons=(80, 160, 320, 400, 1000),
        errors={"full": _FULL_CMU, "no recognition": _NO_RECOGNITION_CMU},
    ),
}

# Table 5, the average of its fifteen actions, by horizon (ms).
AVERAGE_ERRORS = {
    ms: {f"{HUMAN36M}, radians": {"full": full, "no recognition": no_recognition}}
    for ms, full, no_recognition in (
        (80, 0.26, 0.26),
        (160, 0.49, 0.50),
        (320, 0.79, 0.82),
        (400, 0.92, 0.94),
    )
}
