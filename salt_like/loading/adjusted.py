"""Temperatures and class fractions as arguments of the tasks of a trained tagger."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from salt_like.errors import UserError, nearest
from salt_like.tagger import Tagger
from salt_like.tasks.priors import given_prior


def adjusted(
    tagger: Tagger,
    config: Mapping[str, Any],
    temperatures: Mapping[str, float],
    prior: Mapping[str, Mapping[str, float]],
) -> dict[str, Any]:
    """The configuration of a model with temperatures and class fractions as arguments of its tasks.

    Args:
        tagger: The tagger as its configuration makes it.
        config: The ``model`` section.
        temperatures: Temperature by task.
        prior: Class fractions by task and class.

    Raises:
        UserError: A task or class does not exist, or the fractions do not fit the classes.
    """
    classifications = [name for name in tagger.tasks if tagger.task(name).trained_prior]
    for name in (*temperatures, *prior):
        if name not in classifications:
            raise UserError(
                f"no classification '{name}'{nearest(name, classifications)} to give class fractions or a temperature\n"
                f"there are: {', '.join(classifications) or 'none'}"
            )
    tasks = copy.deepcopy(dict(config["tasks"]))
    for name in dict.fromkeys((*temperatures, *prior)):
        arguments = tasks[name]["init_args"]
        if name in temperatures:
            arguments["temperature"] = float(temperatures[name])
        if name in prior:
            task = tagger.task(name)
            (label,) = (tagger.spec.label(task.stream, one.key) for one in task.kind.reads(**arguments))
            try:
                given_prior(prior[name], label, task.trained_prior)
            except ValueError as error:
                raise UserError(f"task '{name}', {error}") from error
            arguments["prior"] = {one: float(value) for one, value in prior[name].items()}
    return {**config, "tasks": tasks}
