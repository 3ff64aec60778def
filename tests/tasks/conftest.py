"""Every task, in every layout."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tasks.labelled import TASKS, Jets, packed, randomise

from salt_like.tasks import Task


@pytest.fixture(params=list(TASKS))
def task(request: pytest.FixtureRequest) -> Task:
    return randomise(TASKS[request.param]())


@pytest.fixture(params=["padded", "packed"])
def layout(request: pytest.FixtureRequest) -> Callable[[Jets], Jets]:
    return packed if request.param == "packed" else lambda jets: jets
