"""The panels of the figure, one function each: what is drawn from which part of the report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from salt_like.figures.style import BAND, INK, legend, plain_numbers, points
from salt_like.simulation.check import expected
from salt_like.simulation.check.blocks import FLAVOURS
from salt_like.simulation.check.energy import EDGES, Mass, Response
from salt_like.simulation.check.hadrons import BOTTOM_KINDS, CHARM_KINDS, Flights, Kinds
from salt_like.simulation.check.jets import Processes, Pseudorapidity, Spectra
from salt_like.simulation.check.origins import ORIGINS, Origins
from salt_like.simulation.check.part import Part
from salt_like.simulation.check.style import (
    COLOURS,
    HADRONS,
    JET,
    LONGITUDINAL,
    ORIGIN_COLOURS,
    PROCESS_COLOURS,
    TRANSVERSE,
    curve,
    flavours,
    stacked,
)
from salt_like.simulation.check.sums import ALL
from salt_like.simulation.check.tracks import SIGMA, SIGMA_PT, Pulls, Resolution, Significance, TrackNumbers
from salt_like.simulation.check.verdict import Band


@dataclass(frozen=True)
class Panel:
    """A panel of the figure.

    Args:
        title: What it shows.
        part: The part of the report that has the numbers.
        draw: Draws it: axes and that part.
    """

    title: str
    part: type[Part]
    draw: Callable[[Any, Any], None]


def _spectra(axes: Any, part: Spectra) -> None:
    flavours(axes, part.weighted, 15)
    axes.set(xscale="log", yscale="log", xlabel="jet pT [GeV]", ylabel="share of jets per GeV")
    axes.set_xlim(*_range(part.weighted.of(ALL).bins.sum(0), part.weighted.edges))
    plain_numbers(axes, (10, 20, 50, 100, 200, 500, 1000, 2000))
    legend(axes)


def _eta(axes: Any, part: Pseudorapidity) -> None:
    flavours(axes, part.eta, 5)
    axes.set(xlabel="jet |η|", ylabel="share of jets per unit", xlim=(0, max(0.5, np.ceil(2 * part.highest) / 2)))
    axes.set_ylim(0, axes.get_ylim()[1] * 1.25)
    legend(axes, ncols=2)


def _processes(axes: Any, part: Processes) -> None:
    order = np.argsort(part.numbers)
    shares = part.counts.content(ALL, ALL).sum(0)[order]
    shares = 100 * shares / np.where(shares.sum(0) > 0, shares.sum(0), np.nan)
    stacked(axes, list(FLAVOURS), np.nan_to_num(shares.T), [part.names[i] for i in order], PROCESS_COLOURS)


def _kinds(axes: Any, part: Kinds) -> None:
    names = [*BOTTOM_KINDS, *CHARM_KINDS]
    shares = [part.share(name) for name in names]
    for i, name in enumerate(names):
        _expected(axes, i, expected.SPECIES[name], 100)
    x = np.arange(len(names), dtype=np.float64)
    values, errors = np.array([[100 * one.value, 100 * one.error] for one in shares]).T
    for label, chosen in (("b", slice(0, len(BOTTOM_KINDS))), ("c", slice(len(BOTTOM_KINDS), None))):
        points(axes, x[chosen], values[chosen], errors[chosen], f"{label} jets", COLOURS[label])
    axes.set_xticks(x, [name.replace(" ", "\n") for name in names], fontsize=6)
    axes.set(ylabel="share of hadrons [%]", ylim=(0, 80))
    axes.grid(False, axis="x")
    axes.bar(0, 0, color=BAND, label="expected")
    legend(axes, ncols=3)


def _flights(axes: Any, part: Flights) -> None:
    lines = ("solid", (0, (5, 1.5)), (0, (4, 1, 1, 1)), (0, (1.2, 1.2)))
    for (name, colour), line, by in zip(HADRONS.items(), lines, (20, 10, 5, 5), strict=True):
        view = part.flights.of(slice(0, 4) if name == "b hadrons" else part.names.index(name))
        curve(axes, view, f"{name}, mean {view.mean().value:.0f} µm", colour, line, by)
    axes.set(yscale="log", xlim=(0, 3000), xlabel="Lxy · m / pT [µm]", ylabel="share of hadrons per µm")
    legend(axes)


def _numbers(axes: Any, part: TrackNumbers) -> None:
    flavours(axes, part.numbers)
    axes.set(xlim=(-0.5, min(30, part.limit) + 0.5), xlabel="tracks per jet", ylabel="share of jets")
    legend(axes)


def _pulls(axes: Any, part: Pulls) -> None:
    shown = (("d0", "d0", TRANSVERSE, "solid"), ("z0SinTheta", "z0 sin θ", LONGITUDINAL, (0, (4, 1, 1, 1))))
    for name, label, colour, line in shown:
        view = part.pulls[name].of(ALL)
        curve(axes, view, f"{label}, width {view.width().value:.3f}", colour, line, 4)
    x = np.linspace(-10, 10, 401)
    axes.plot(x, np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi), color=INK, lw=0.8, ls=":", label="normal distribution")
    axes.set(yscale="log", ylim=(1e-5, 20), xlim=(-10, 10), ylabel="share of tracks per unit")
    axes.set_xlabel(f"impact parameter / {SIGMA}, primary tracks")
    legend(axes)


def _significance(axes: Any, part: Significance) -> None:
    flavours(axes, part.by_flavour, 10)
    axes.set(yscale="log", xlim=(-20, 40), xlabel="lifetime-signed S(d0)", ylabel="share of tracks per unit")
    axes.axvline(3, color=INK, lw=0.6, ls=":")
    legend(axes)


def _resolution(axes: Any, part: Resolution) -> None:
    x = np.sqrt(SIGMA_PT[:-1] * SIGMA_PT[1:])
    shown = (("d0", part.d0, TRANSVERSE, "o"), ("z0 sin θ", part.z0, LONGITUDINAL, "s"))
    for label, sigma, colour, marker in shown[: 2 if part.has_z0 else 1]:
        views = [sigma.of(i) for i in range(len(x))]
        low, middle, high = (np.array([1000 * view.quantile(q).value for view in views]) for q in (0.16, 0.5, 0.84))
        axes.fill_between(x, low, high, color=colour, alpha=0.2, lw=0)
        points(axes, x, middle, np.zeros(len(x)), f"{label}, median and 68 %", colour, marker, linestyle="-")
    axes.set(xscale="log", yscale="log", xlabel="track pT [GeV]", ylabel=f"{SIGMA} [µm]")
    plain_numbers(axes, (0.5, 1, 2, 5, 10, 20, 50, 100))
    legend(axes)


def _origins(axes: Any, part: Origins) -> None:
    content = part.counts.content(ALL, ALL).sum(0)
    rows = np.concatenate([content.sum(0, keepdims=True), content[: len(FLAVOURS)]])
    shares = 100 * rows / np.maximum(rows.sum(1, keepdims=True), 1e-300)
    stacked(axes, ["all", *FLAVOURS], shares, list(ORIGINS), ORIGIN_COLOURS)


def _response(axes: Any, part: Response) -> None:
    _medians(axes, part.response, expected.RESPONSE)
    axes.set_ylabel("reconstructed / true pT")


def _mass(axes: Any, part: Mass) -> None:
    _medians(axes, part.response, expected.MASS_RESPONSE)
    axes.set_ylabel("reconstructed / true mass")


def _medians(axes: Any, response: Any, band: Band) -> None:
    edges = np.append(EDGES[:-1], 2 * EDGES[-2])
    x = np.sqrt(edges[:-1] * edges[1:])
    views = [response.of(i) for i in range(len(x))]
    found = [[view.median().value, view.median().error, view.width().value] for view in views]
    median, error, width = np.array(found).T
    axes.axhspan(band.low, band.high, color=BAND, lw=0, label="expected median")
    axes.bar(x, 2 * width, np.diff(edges) * 0.96, median - width, color=JET, alpha=0.45, label="central 68 %")
    points(axes, x, median, error, "median", INK)
    top = np.nanmax(np.append(median + width, 1.3))
    axes.set(xscale="log", xlabel="pT of the truth jet [GeV]", xlim=(edges[0], edges[-1]), ylim=(0.4, top + 0.35))
    plain_numbers(axes, (20, 50, 100, 200, 400))
    legend(axes)


def _expected(axes: Any, x: float, band: Band, scale: float) -> None:
    axes.bar(x, scale * (band.high - band.low), 0.8, scale * band.low, color=BAND)


def _range(bins: Any, edges: Any) -> tuple[float, float]:
    """From the first to the last bin with something in it."""
    filled = np.flatnonzero(bins[1:-1] > 0)
    return (
        (float(edges[filled[0]]), float(edges[filled[-1] + 1])) if len(filled) else (float(edges[0]), float(edges[-1]))
    )


PANELS = (
    Panel("Transverse momentum", Spectra, _spectra),
    Panel("Pseudorapidity", Pseudorapidity, _eta),
    Panel("Tracks per jet", TrackNumbers, _numbers),
    Panel("Process of each flavour", Processes, _processes),
    Panel("Origin of tracks", Origins, _origins),
    Panel("Kinds of hadrons", Kinds, _kinds),
    Panel("Proper decay length", Flights, _flights),
    Panel("Pulls", Pulls, _pulls),
    Panel("Displaced tracks", Significance, _significance),
    Panel("Uncertainty of impact parameters", Resolution, _resolution),
    Panel("Jet energy", Response, _response),
    Panel("Jet mass", Mass, _mass),
)
