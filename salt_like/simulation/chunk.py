"""One chunk of events, from the collision of two protons to rows of the file."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from salt_like.simulation.calorimeter import flows
from salt_like.simulation.clustering import jets, truth_jets
from salt_like.simulation.engines import Generator, cluster
from salt_like.simulation.hadrons import hadrons
from salt_like.simulation.pileup import COMMANDS, Pool, make_pool, overlay
from salt_like.simulation.processes import Process, process
from salt_like.simulation.prompt import prompt_leptons
from salt_like.simulation.seeds import DETECTOR, EVENTS, POOL, event_numbers, random_of
from salt_like.simulation.settings import BeamSettings, Settings
from salt_like.simulation.streams import streams
from salt_like.simulation.tracker import track

BLOCKS = (
    4  # of the pool of pile-up, each with a generator that takes a second to set up; another number, another sample
)


class Chunks:
    """Makes any chunk of a sample, in any order; generators are set up when a chunk first needs them.

    Args:
        settings: What is simulated.
        pool: Collisions that pile-up is taken from, as `pool_of` makes it.
    """

    def __init__(self, settings: Settings, pool: Pool | None) -> None:
        self.settings = settings
        self.pool = pool
        self._generators: dict[str, Generator] = {}

    def make(self, index: int) -> dict[str, NDArray[Any]]:
        """The rows of each stream of one chunk.

        Args:
            index: Number of the chunk, from 0.
        """
        settings, which = self.settings, process_of(index, self.settings)
        generator = self._generator(which)
        particles = generator.events(settings.chunk, random_of(settings.seed, EVENTS, index))
        random = random_of(settings.seed, DETECTOR, index)
        charge = generator.charges(particles.pdg)
        stable = overlay(particles, charge, self.pool, settings.pileup.mean, settings.beam, random)
        prompt = prompt_leptons(particles, stable)
        tracks = track(stable, settings.detector.tracker, random)
        constituents = flows(stable, tracks, prompt, settings.detector, random)
        true_jets = truth_jets(stable, prompt, settings.jets, cluster)
        found = jets(constituents, true_jets, settings.jets, cluster)
        return streams(
            particles,
            stable,
            tracks,
            constituents,
            found,
            true_jets,
            hadrons(particles, found),
            event_numbers(settings.seed, index * settings.chunk, settings.chunk),
            which.number,
        )

    def _generator(self, which: Process) -> Generator:
        if which.name not in self._generators:
            self._generators[which.name] = Generator([*which.commands, beams(self.settings.beam)])
        return self._generators[which.name]


def process_of(index: int, settings: Settings) -> Process:
    """The process of a chunk: in every beginning of the sample the shares of the mix are kept as well as can be.

    Each chunk goes to the process that would otherwise be furthest behind its share.
    """
    shares = settings.mix
    total = sum(shares.values())
    made = dict.fromkeys(shares, 0)
    name = ""
    for number in range(index % total + 1):  # after as many chunks as there are shares it begins anew
        name = max(made, key=lambda one: shares[one] * (number + 1) - made[one] * total)
        made[name] += 1
    return process(name)


def blocks_of(settings: Settings) -> list[int]:
    """Number of collisions in each block of the pool; none where there is no pile-up."""
    collisions = settings.pileup.pool if settings.pileup.mean > 0 else 0
    number = min(BLOCKS, collisions)
    return [collisions * (index + 1) // number - collisions * index // number for index in range(number)]


def block_of(index: int, settings: Settings) -> Pool:
    """One block of the pool: the same whatever else was made before it."""
    # always a fresh one: of diffraction it takes over tables for the energy of the collision before, if that is near
    generator = Generator([*COMMANDS, beams(settings.beam)])
    particles = generator.events(blocks_of(settings)[index], random_of(settings.seed, POOL, index))
    return make_pool(particles, generator.charges(particles.pdg))


def pool_of(settings: Settings) -> Pool | None:
    """The collisions that pile-up is taken from, all made here; ``None`` where there is no pile-up."""
    blocks = [block_of(index, settings) for index in range(len(blocks_of(settings)))]
    return Pool.joined(blocks) if blocks else None


def beams(settings: BeamSettings) -> str:
    """What tells Pythia the energy of the collisions; without it that is 14 TeV."""
    return f"Beams:eCM = {settings.energy}"
