"""How far two computations of the same tagger may be from each other, by the kind of the output."""

from __future__ import annotations

# |difference| <= absolute + relative * |value|, and that of the logarithms where `logarithm` is given
TOLERANCES = {
    "probability": {"absolute": 1e-5, "relative": 1e-5, "logarithm": 1e-4},
    "discriminant": {"absolute": 1e-3, "relative": 1e-5},
    "value": {"absolute": 1e-5, "relative": 1e-5},
    "sigma": {"absolute": 1e-5, "relative": 1e-5},
    "embedding": {"absolute": 1e-5, "relative": 1e-5},
    "index": {"absolute": 0.0, "relative": 0.0},
}
