from __future__ import annotations

from collections import Counter

import pytest

from salt_like.simulation.chunk import process_of
from salt_like.simulation.processes import NAMED, PRESETS, process
from salt_like.simulation.settings import Settings


def test_numbers_of_processes_differ():
    names = [*NAMED, "zprime50", "zprime800", "zprime2000"]
    assert len({process(name).number for name in names}) == len(names)
    assert process("zprime800").number == 800
    assert "32:m0 = 800" in process("zprime800").commands


@pytest.mark.parametrize("name", PRESETS)
def test_presets_mix_processes_that_exist(name):
    assert Settings(1, preset=name).mix == PRESETS[name].mix


def test_chunks_keep_the_shares_in_every_beginning():
    settings = Settings(1, mix={"ttbar": 10, "zprime800": 2, "ccbar": 3})
    made = Counter()
    for index in range(60):
        made[process_of(index, settings).name] += 1
        for name, share in settings.mix.items():
            assert abs(made[name] - (index + 1) * share / 15) < 1
    assert made == {"ttbar": 40, "zprime800": 8, "ccbar": 12}


def test_the_order_of_the_mix_does_not_matter():
    one, other = Settings(1, mix={"ttbar": 2, "qcd": 2}), Settings(1, mix={"qcd": 2, "ttbar": 2})
    assert [process_of(index, one).name for index in range(8)] == [process_of(index, other).name for index in range(8)]
