"""The event generator and the jet clustering: the only file that imports Pythia, FastJet and Awkward Array.

All three are optional (``pip install 'salt-like[simulate]'``), and imported when something is asked of them.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import importlib.util
import multiprocessing
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from salt_like.errors import UserError
from salt_like.simulation.record import Clusters, Floats, Integers, Particles

PACKAGES = ("pythia8mc", "fastjet", "awkward")
CITATIONS = {
    "Pythia": "arXiv:2203.11601",
    "FastJet": "EPJC 72 (2012) 1896, arXiv:1111.6097",
}
TRIALS = 10.0  # events tried for each one wanted, before it is an error
_ALWAYS = ("Print:quiet = on", "Random:setSeed = on", "Random:seed = 1")
_SEEDS = 900_000_000  # of Pythia's generator
_STEPS = 16_777_213  # values of the second, arithmetic part of its state


def require_engines() -> None:
    """See whether the optional packages are there.

    Raises:
        UserError: One is missing, with how to install it.
    """
    missing = [module for module in PACKAGES if importlib.util.find_spec(module) is None]
    if missing:
        raise UserError(
            f"simulating needs {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed\n"
            f"install: pip install --only-binary pythia8mc,fastjet 'salt-like[simulate]'"
        )


def versions() -> dict[str, str]:
    """Version of each optional package.

    Raises:
        UserError: One is missing.
    """
    require_engines()
    return {name: importlib.metadata.version(name) for name in PACKAGES}


class Generator:
    """Pythia 8 (arXiv:2203.11601), set up for one process.

    The same random numbers give the same events whatever was generated before, because it is set up with a constant
    seed, and its own random numbers begin anew with every call. (Not for diffraction, where Pythia keeps tables of the
    event before: such events must all come from one call.)

    Args:
        commands: Settings of Pythia, such as ``"Top:all = on"``.

    Raises:
        UserError: The optional packages are missing.
        RuntimeError: Pythia refuses a setting or cannot be set up.
    """

    def __init__(self, commands: Sequence[str]) -> None:
        require_engines()
        import pythia8mc

        self._pythia = pythia8mc.Pythia("", False)
        for command in (*_ALWAYS, *commands):
            if not self._pythia.readString(command):
                raise RuntimeError(f"Pythia does not know the setting '{command}'")
        if not self._pythia.init():
            raise RuntimeError(f"Pythia cannot be set up with {', '.join(commands)}")

    def events(self, number: int, random: np.random.Generator) -> Particles:
        """Generate events.

        Args:
            number: How many.
            random: Where the state of Pythia's own random numbers comes from.

        Raises:
            RuntimeError: Pythia fails again and again.
        """
        self._begin(random)
        batch = self._pythia.nextBatch(number, TRIALS)
        return _particles(batch)

    def charges(self, pdg: Integers) -> Integers:
        """Electric charge of each particle in units of e, 0 for quarks; shape as given."""
        kinds, place = np.unique(pdg, return_inverse=True)
        thirds = np.array([self._pythia.particleData.chargeType(int(kind)) for kind in kinds], np.int64)
        return np.asarray(np.where(thirds % 3 == 0, thirds // 3, 0)[place])

    def _begin(self, random: np.random.Generator) -> None:
        # two numbers, because Pythia has only 9·10⁸ seeds: of a million chunks some would be the same
        first, second = int(random.integers(1, _SEEDS + 1)), int(random.integers(_STEPS))
        self._pythia.rndm.init(first)
        state = self._pythia.rndm.getState()
        state.c = second / 2.0**24
        self._pythia.rndm.setState(state)


def _particles(batch: Any) -> Particles:
    """Flat arrays from what Pythia returns, with mothers as rows of all events."""
    layout = batch.prt.layout
    offsets = np.asarray(layout.offsets.data, np.int64)
    rows = slice(int(offsets[0]), int(offsets[-1]))
    counts, offsets = np.diff(offsets), offsets - offsets[0]
    event = np.repeat(np.arange(len(counts)), counts)
    content, momentum = layout.content, layout.content["p"]
    first = offsets[:-1][event]  # row of the first particle of the event, which stands for the event as a whole

    def mothers(name: str) -> Integers:
        within = np.asarray(content[name].data[rows], np.int64)
        return np.where(within > 0, within + first, -1)

    def integers(name: str) -> Integers:
        return np.asarray(content[name].data[rows], np.int64)

    # particles produced at the origin have no position
    option = content["vProd"]
    index = np.asarray(option.index.data[rows])

    def position(name: str) -> Floats:
        values = np.asarray(option.content[name].data, np.float64)
        found = np.zeros(len(index))
        found[index >= 0] = values[index[index >= 0]]
        return found

    weights = batch.info.weights.layout
    return Particles(
        event=event,
        pdg=integers("id"),
        status=integers("status"),
        mother1=mothers("mother1"),
        mother2=mothers("mother2"),
        px=np.array(momentum["px"].data[rows]),
        py=np.array(momentum["py"].data[rows]),
        pz=np.array(momentum["pz"].data[rows]),
        energy=np.array(momentum["e"].data[rows]),
        mass=np.array(content["m"].data[rows]),
        x=position("px"),
        y=position("py"),
        z=position("pz"),
        weights=np.array(weights.content.data[np.asarray(weights.offsets.data)[:-1]]),
    )


def cluster(
    event: Integers, px: Floats, py: Floats, pz: Floats, energy: Floats, *, radius: float, pt_min: float
) -> Clusters:
    """Anti-kt jets (arXiv:0802.1189) by FastJet (arXiv:1111.6097).

    Args:
        event: Event of each particle, never decreasing, (N,).
        px, py, pz, energy: Momentum in GeV, (N,).
        radius: Radius of the jets.
        pt_min: Least transverse momentum of a jet in GeV.

    Raises:
        UserError: The optional packages are missing.
    """
    counts = np.bincount(event) if len(event) else np.zeros(0, np.int64)
    if not len(counts):
        rows, numbers = np.zeros(0, np.int64), np.zeros(0)
        return Clusters(rows, numbers, numbers, numbers, numbers, rows, rows)
    fastjet = _fastjet()
    import awkward

    momentum = {"px": px, "py": py, "pz": pz, "E": energy}
    particles = awkward.unflatten(awkward.zip(momentum, with_name="Momentum4D"), counts)
    sequence = fastjet.ClusterSequence(particles, fastjet.JetDefinition(fastjet.antikt_algorithm, radius))
    found, inside = sequence.inclusive_jets(pt_min), sequence.constituent_index(pt_min)
    jets = [awkward.to_numpy(awkward.flatten(found[name])) for name in momentum]
    jet_event = np.repeat(np.arange(len(counts)), awkward.to_numpy(awkward.num(found)))
    sizes = awkward.to_numpy(awkward.flatten(awkward.num(inside, axis=2)))
    within = awkward.to_numpy(awkward.flatten(inside, axis=None)).astype(np.int64)
    first = np.cumsum(counts) - counts
    constituent = within + np.repeat(first[jet_event], sizes)
    return _ordered(jet_event, jets, sizes, constituent)


def _ordered(event: Integers, momentum: Sequence[Floats], sizes: Integers, constituent: Integers) -> Clusters:
    """Jets with the highest transverse momentum first within their event, and their constituents alike."""
    order = np.lexsort((-np.hypot(momentum[0], momentum[1]), event))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    jet = np.repeat(place, sizes)
    again = np.lexsort((constituent, jet))
    px, py, pz, energy = (np.asarray(one[order], np.float64) for one in momentum)
    return Clusters(event[order], px, py, pz, energy, constituent[again], jet[again])


@functools.cache
def _fastjet() -> Any:
    """FastJet, after it has shown its banner: on standard error, as standard output may be read by a program.

    It shows it with the first clustering of a process; workers are silent, the process that started them is not.
    """
    require_engines()
    import awkward
    import fastjet

    one = awkward.Array([[{"px": 1.0, "py": 0.0, "pz": 0.0, "E": 1.0}]], with_name="Momentum4D")
    with _stdout_to(os.devnull if multiprocessing.parent_process() else None):
        fastjet.ClusterSequence(one, fastjet.JetDefinition(fastjet.antikt_algorithm, 0.4)).inclusive_jets(0.5)
    return fastjet


@contextlib.contextmanager
def _stdout_to(path: str | None) -> Iterator[None]:
    """Within the ``with`` block what C++ writes to standard output goes to a file, or to standard error."""
    sys.stdout.flush()
    kept = os.dup(1)
    target = os.dup(2) if path is None else os.open(path, os.O_WRONLY)
    try:
        os.dup2(target, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(target)
