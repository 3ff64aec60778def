"""Features of pairs against four-momenta and plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from layouts import COUNTS, LAYOUTS, kinematics, make_layout, make_tokens

from salt_like.nn.pairs import FEATURES, PairFeatures
from salt_like.sets import Tokens


def inputs(dtype=torch.float64):
    generator = torch.Generator().manual_seed(3)
    return {"tracks": (torch.randn(sum(COUNTS), 3, generator=generator, dtype=dtype), torch.tensor(COUNTS))}


def one_jet(**columns: list[float]) -> Tokens:
    made = {name: torch.tensor(values) for name, values in columns.items()}
    number = len(next(iter(made.values())))
    return Tokens(torch.zeros(number, 1), make_layout("packed", torch.tensor([number])), {}, made)


def by_momenta(columns: dict[str, np.ndarray], i: int, j: int, energy: bool) -> list[float]:
    """The features of a pair from four-momenta in double precision."""

    def momentum(k: int) -> np.ndarray:
        pt, eta, phi = (columns[name][k] for name in ("pt", "deta", "dphi"))
        spatial = np.array([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)])
        return np.append(spatial, columns["energy"][k] if energy else np.linalg.norm(spatial))

    total = momentum(i) + momentum(j)
    m2 = total[3] ** 2 - (total[:3] ** 2).sum()
    phi = (columns["dphi"][i] - columns["dphi"][j] + math.pi) % (2 * math.pi) - math.pi
    dr = math.hypot(columns["deta"][i] - columns["deta"][j], phi)
    small, both = min(columns["pt"][[i, j]]), columns["pt"][[i, j]].sum()
    return [math.log(max(value, 1e-8)) for value in (dr, small * dr, small / both, m2)]


@pytest.mark.parametrize("energy", [False, True])
@pytest.mark.parametrize("kind", LAYOUTS)
def test_features_are_those_of_four_momenta(kind, energy):
    tokens = make_tokens(kind, inputs(), kinematics)
    (packed,) = (make_tokens("packed", inputs(), kinematics).columns,)
    columns = {name: column.numpy() for name, column in packed.items()}
    features = PairFeatures(energy="energy" if energy else None)
    assert features.dim == 4
    assert features.reads == ("pt", "deta", "dphi", *(["energy"] if energy else []))
    grids = features(tokens)
    numbers = torch.arange(sum(COUNTS))
    layout = tokens.layout
    if kind in ("padded", "garbage"):
        numbers = make_layout("packed", torch.tensor(COUNTS)).to_padded(numbers, layout.valid.shape[1])
    seen = 0
    for grid, index, valid in zip(grids, layout.grids(numbers), layout.grid_valid(), strict=True):
        assert grid.isfinite().all()
        for jet in range(len(grid)):
            for a in range(int(valid[jet].sum())):
                for b in range(int(valid[jet].sum())):
                    if a != b:
                        expected = by_momenta(columns, int(index[jet, a]), int(index[jet, b]), energy)
                        np.testing.assert_allclose(grid[jet, a, b].numpy(), expected, atol=1e-7)
                        seen += 1
    assert seen == sum(n * (n - 1) for n in COUNTS)


def test_same_both_ways_everywhere():
    generator = torch.Generator().manual_seed(1)
    number = 200
    phi = (torch.rand(number, generator=generator) - 0.5) * 2 * math.pi
    phi[:3] = torch.tensor([math.pi, -math.pi, 0.0])
    tokens = Tokens(
        torch.zeros(number, 1),
        make_layout("packed", torch.tensor([number])),
        {},
        {
            "pt": torch.rand(number, generator=generator) * 1e5,
            "deta": torch.randn(number, generator=generator),
            "dphi": phi,
            "energy": torch.rand(number, generator=generator) * 1e6,
            "z0": torch.randn(number, generator=generator),
            "u": torch.rand(number, generator=generator),
        },
    )
    for energy in (None, "energy"):
        (grid,) = PairFeatures(energy=energy, hints={"z0": "u"})(tokens)
        assert torch.equal(grid, grid.transpose(1, 2))
        # no two are further apart than π in φ
        assert grid[0, :, :, 0].exp().max() ** 2 <= math.pi**2 + (tokens.columns["deta"].max() * 2) ** 2 + 8


def test_angles_that_differ_by_a_turn_are_one():
    near = PairFeatures(features=["ln_dr"])
    (grid,) = near(one_jet(pt=[1.0, 1.0], deta=[0.0, 0.1], dphi=[math.pi - 0.01, -math.pi + 0.01]))
    assert grid[0, 0, 1].exp().item() == pytest.approx(math.hypot(0.1, 0.02), rel=1e-4)


def test_mass_of_collinear_particles_is_not_rounding():
    (grid,) = PairFeatures()(one_jet(pt=[1.0, 1.0], deta=[0.0, 1e-4], dphi=[0.0, 1e-4]))
    assert grid[0, 0, 1, 3].exp().item() == pytest.approx(2e-8, rel=1e-3)


def test_absurd_values_give_finite_features():
    columns = {
        "pt": [0.0, 1e12, 3e-30, -1.0],
        "deta": [0.0, 3e5, -400.0, 3e38],
        "dphi": [0.0, 1e9, 3e38, -1.0],
        "energy": [0.0, 1e15, -1.0, 1.0],
        "z0": [0.0, 1e30, -1e30, 0.0],
        "u": [0.0, 0.0, 1e-30, 1.0],
    }
    for energy in (None, "energy"):
        (grid,) = PairFeatures(energy=energy, hints={"z0": "u"})(one_jet(**columns))
        assert grid.isfinite().all()
        assert grid.abs().max() < 100
    (same,) = PairFeatures(hints={"z0": "u"})(one_jet(**{name: [0.0, 0.0] for name in columns}))
    torch.testing.assert_close(same[0, 0, 1], torch.tensor([*[math.log(1e-8)] * 4, 0.0]))


def test_gradient_is_finite_where_two_coincide():
    columns = {
        name: torch.tensor([1.0, 1.0, 2.0], requires_grad=True) for name in ("pt", "deta", "dphi", "z0", "u", "energy")
    }
    for energy in (None, "energy"):
        tokens = Tokens(torch.zeros(3, 1), make_layout("packed", torch.tensor([3])), {}, columns)
        (grid,) = PairFeatures(energy=energy, hints={"z0": "u"})(tokens)
        grid.sum().backward()
    assert all(column.grad.isfinite().all() for column in columns.values())


def test_hints_count_standard_deviations():
    features = PairFeatures(features=[], hints={"z0": "u"})
    assert features.reads == ("z0", "u")
    (grid,) = features(one_jet(z0=[0.0, 5.0], u=[3.0, 4.0]))
    torch.testing.assert_close(grid[0, :, :, 0], torch.tensor([[0.0, math.log(2)], [math.log(2), 0.0]]))


def test_half_precision_is_widened():
    columns = {name: column.bfloat16() for name, column in make_tokens("packed", inputs(), kinematics).columns.items()}
    tokens = Tokens(torch.zeros(sum(COUNTS), 1), make_layout("packed", torch.tensor(COUNTS)), {}, columns)
    wide = Tokens(tokens.values, tokens.layout, {}, {name: column.float() for name, column in columns.items()})
    assert torch.equal(PairFeatures()(tokens)[0], PairFeatures()(wide)[0])


def test_arguments_that_mean_nothing_are_refused():
    with pytest.raises(ValueError, match=f"features must be among {', '.join(FEATURES)}, got 'ln_ds'"):
        PairFeatures(features=["ln_ds"])
    with pytest.raises(ValueError, match="at least one feature"):
        PairFeatures(features=[])
