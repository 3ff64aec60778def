"""What is known of two particles of a jet together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from salt_like.nn.distances import widened, wrap
from salt_like.sets import Tokens

FEATURES = ("ln_dr", "ln_kt", "ln_z", "ln_m2")
# below the smallest value that makes a difference, and large enough for float32 (arXiv:2202.03772); above the largest
SMALLEST, LARGEST = 1e-8, 1e30
# no two particles are further apart in pseudorapidity, and the mass of such a pair is finite in float32
WIDEST = 20.0


class PairFeatures(nn.Module):
    """Features of all pairs of constituents of a jet, symmetric under exchange (arXiv:2202.03772).

    ``ΔR² = Δη² + Δφ²`` with Δφ wrapped to [-π, π], ``k_T = min(p_T) ΔR``, ``z = min(p_T) / (p_T1 + p_T2)``, and the
    invariant mass ``m² = 2 p_T1 p_T2 (cosh Δη - cos Δφ)`` of massless particles, or with energies
    ``(E_1 + E_2)² - (p_1 + p_2)²``. The logarithm is taken of each, of `SMALLEST` where that is larger. Hints of a
    common vertex follow: ``ln(1 + |x_1 - x_2| / sqrt(u_1² + u_2²))``.

    Args:
        pt: Variable that is the transverse momentum, in the file's unit.
        eta: Variable that is the pseudorapidity; one relative to the jet will do without energies.
        phi: Variable that is the azimuthal angle in rad, or one relative to the jet.
        energy: Variable that is the energy, ``None`` for massless particles.
        features: Which of ``ln_dr``, ``ln_kt``, ``ln_z``, ``ln_m2``, in this order.
        hints: Variables measured at the beam line → variables that are their uncertainties, such as
            ``{z0SinTheta: z0SinThetaUncertainty}``.

    Attributes:
        reads: All these variables.
        dim: Number of features.

    Raises:
        ValueError: There is no such feature, or none at all.
    """

    def __init__(
        self,
        pt: str = "pt",
        eta: str = "deta",
        phi: str = "dphi",
        energy: str | None = None,
        features: Sequence[str] = FEATURES,
        hints: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        if unknown := [name for name in features if name not in FEATURES]:
            raise ValueError(f"features must be among {', '.join(FEATURES)}, got '{unknown[0]}'")
        self.hints = dict(hints or {})
        if not features and not self.hints:
            raise ValueError("features must name at least one feature where there are no hints")
        self.pt, self.eta, self.phi, self.energy = pt, eta, phi, energy
        self.features = tuple(features)
        kinematics = [pt, eta, phi, *([] if energy is None else [energy])] if features else []
        self.reads = tuple(dict.fromkeys([*kinematics, *self.hints, *self.hints.values()]))
        self.dim = len(self.features) + len(self.hints)

    def forward(self, tokens: Tokens) -> tuple[Tensor, ...]:
        """``(B_k, N_k, N_k, dim)`` for each of the layout's grids; finite but without meaning at padding."""
        columns = {name: tokens.layout.grids(widened(tokens.columns[name])) for name in self.reads}
        grids = range(len(tokens.layout.grid_valid()))
        return tuple(self._features({name: grid[number] for name, grid in columns.items()}) for number in grids)

    def _features(self, columns: Mapping[str, Tensor]) -> Tensor:
        found = {}
        if self.features:
            pt, eta, phi = columns[self.pt], columns[self.eta], columns[self.phi]
            deta, dphi = _apart(eta), wrap(_apart(phi))
            dr = (deta.square() + dphi.square()).clamp(min=SMALLEST**2).sqrt()
            one, other = pt[:, :, None], pt[:, None, :]
            smaller = torch.minimum(one, other)
            found["ln_dr"] = dr
            found["ln_kt"] = smaller * torch.where(dr > SMALLEST, dr, torch.zeros_like(dr))
            found["ln_z"] = smaller / (one + other).clamp(min=SMALLEST)
            if self.energy is None:
                # cosh a - cos b, which is nothing but rounding errors where both are close to 1
                half_angles = torch.sinh(deta.clamp(-WIDEST, WIDEST) / 2).square() + torch.sin(dphi / 2).square()
                found["ln_m2"] = 4 * one * other * half_angles
            else:
                found["ln_m2"] = _mass_squared(pt, eta, phi, columns[self.energy])
        parts = [found[name].clamp(SMALLEST, LARGEST).log() for name in self.features]
        for name, uncertainty in self.hints.items():
            sigma = (_sum(columns[uncertainty].square())).clamp(min=SMALLEST**2).sqrt()
            parts.append(torch.log1p(_apart(columns[name]).abs() / sigma))
        return torch.stack(parts, -1)

    def extra_repr(self) -> str:
        return ", ".join([*self.features, *self.hints])


def _apart(x: Tensor) -> Tensor:
    return x[:, :, None] - x[:, None, :]


def _sum(x: Tensor) -> Tensor:
    return x[:, :, None] + x[:, None, :]


def _mass_squared(pt: Tensor, eta: Tensor, phi: Tensor, energy: Tensor) -> Tensor:
    momenta = pt * torch.cos(phi), pt * torch.sin(phi), pt * torch.sinh(eta.clamp(-WIDEST, WIDEST))
    squared = _sum(energy).square()
    for momentum in momenta:
        squared = squared - _sum(momentum).square()
    return squared
