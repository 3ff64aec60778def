"""Names, order and shapes of what goes into an exported graph and comes out: the one place for all profiles."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from salt_like.errors import UserError, nearest
from salt_like.export.tolerances import TOLERANCES
from salt_like.spec import DataSpec, Output
from salt_like.tagger import Tagger

Profile = Literal["batched", "single", "athena"]
PROFILES: tuple[Profile, ...] = ("batched", "single", "athena")
INT8_LIMIT = 127
# the selections that the loader of tracks in the ATLAS software knows
TRACK_SELECTIONS = (
    "all",
    "ip3d",
    "dipsLoose202102",
    "r22default",
    "r22loose",
    "dipsTightUpgrade",
    "dipsLooseUpgrade",
)


@dataclass(frozen=True)
class GraphInput:
    """One array that the graph takes.

    Args:
        name: Name in the graph.
        stream: Stream that it belongs to.
        variables: Variables in order, raw and in the unit of the training file; none for a mask.
        is_global: Whether the stream has one row per jet.
        mask: Name of the input that tells real constituents, ``None`` for none.
        is_mask: Whether it is such an input itself.
        truncated_to: Number of constituents that are looked at, ``None`` for all.
    """

    name: str
    stream: str
    variables: tuple[str, ...] = ()
    is_global: bool = False
    mask: str | None = None
    is_mask: bool = False
    truncated_to: int | None = None


@dataclass(frozen=True)
class GraphOutput:
    """One array that the graph returns.

    Args:
        name: Name in the graph.
        terms: Factors and outputs of the tagger whose sum it is, all of one stream.
        largest: Instead of the sum, the place of the largest of the terms.
        dtype: ``"float32"``, ``"int32"`` or ``"int8"``.
        size: How large the numbers are whose difference it says, in its unit; 0 for no difference.
    """

    name: str
    terms: tuple[tuple[float, Output], ...]
    largest: bool = False
    dtype: str = "float32"
    size: float = 0.0

    @property
    def tolerance(self) -> dict[str, float]:
        """How far two computations may be apart; of a difference as far as of the numbers that it is one of."""
        found = dict(TOLERANCES[self.kind])
        return {**found, "absolute": max(found["absolute"], found["relative"] * self.size)}

    @property
    def stream(self) -> str:
        """Stream that it belongs to."""
        return self.terms[0][1].stream

    @property
    def kind(self) -> str:
        """Kind of what it says, as in `Output`."""
        if self.largest:
            return "index"
        kind = self.terms[0][1].kind
        # a difference of probabilities has no logarithm, and is close to 0 where they are close
        return "value" if kind == "probability" and any(factor < 0 for factor, _ in self.terms) else kind


@dataclass(frozen=True)
class Interface:
    """Everything that goes in and comes out, in order.

    Args:
        profile: ``"batched"``: any number of jets, constituents padded, with masks; ``"single"``: one jet without mask;
            ``"athena"``: the same with the names and types of the ATLAS software.
        model: Name of the model, the prefix of the outputs.
        inputs: What goes in.
        outputs: What comes out.
        tasks: Names of the tasks that are computed.
        track_selection: Selection of constituents that the ATLAS software makes.
    """

    profile: Profile
    model: str
    inputs: tuple[GraphInput, ...]
    outputs: tuple[GraphOutput, ...]
    tasks: tuple[str, ...]
    track_selection: str = "r22default"

    @property
    def batched(self) -> bool:
        """Whether the first axis counts jets."""
        return self.profile == "batched"


@dataclass(frozen=True)
class Wishes:
    """What the user wants to be different from the defaults.

    Args:
        name: Name of the model, ``None`` for that of the run.
        tasks: Tasks to keep, ``None`` for all.
        rename: Old name of an output → new name.
        combine: Name of a further output → factor by output.
        embedding: Add the pooled vector of each jet.
        track_selection: Selection of constituents that the ATLAS software shall make.
    """

    name: str | None = None
    tasks: Sequence[str] | None = None
    rename: Mapping[str, str] | None = None
    combine: Mapping[str, Mapping[str, float]] | None = None
    embedding: bool = False
    track_selection: str = "r22default"


def interface_of(tagger: Tagger, model: str, profile: Profile, wishes: Wishes | None = None) -> Interface:
    """Inputs and outputs of a tagger in a profile.

    Args:
        tagger: The tagger.
        model: Name of the model.
        profile: The profile.
        wishes: What is different from the defaults.

    Raises:
        UserError: A task or output that does not exist, a name that is taken or not allowed, or an index that does not
            fit its type.
    """
    wishes = wishes or Wishes()
    model = wishes.name or model
    if profile == "athena" and (set(model) & set("_-") or not model):
        raise UserError(
            f"the ATLAS software allows neither '_' nor '-' in the name of a model, found: '{model}'\n"
            "give another: --name NAME"
        )
    if wishes.track_selection not in TRACK_SELECTIONS:
        raise UserError(
            f"unknown track selection '{wishes.track_selection}'{nearest(wishes.track_selection, TRACK_SELECTIONS)}\n"
            f"allowed: {', '.join(TRACK_SELECTIONS)}"
        )
    tasks = _chosen(tuple(tagger.tasks), wishes.tasks)
    outputs = _athena(tagger, model, tasks) if profile == "athena" else _plain(tagger, model, tasks)
    if wishes.embedding:
        embedding = Output(tagger.spec.global_stream.name, "embedding", "embedding")
        outputs.append(GraphOutput(embedding.column(model), ((1.0, embedding),)))
    outputs += _combined(outputs, model, wishes.combine or {})
    inputs = _inputs(tagger.spec, profile)
    outputs = _renamed(outputs, model, wishes.rename or {}, [one.name for one in inputs])
    return Interface(profile, model, inputs, tuple(outputs), tasks, wishes.track_selection)


def _inputs(spec: DataSpec, profile: Profile) -> tuple[GraphInput, ...]:
    found = []
    for stream in (spec.global_stream, *spec.set_streams):
        if not stream.variables:
            continue
        name = f"{stream.name.removesuffix('s')}_features" if profile == "athena" else stream.name
        mask = f"{name}_valid" if profile == "batched" and not stream.is_global else None
        variables = tuple(variable.name for variable in stream.variables)
        found.append(
            GraphInput(name, stream.name, variables, stream.is_global, mask, truncated_to=stream.max_constituents)
        )
        if mask:
            found.append(GraphInput(mask, stream.name, is_mask=True))
    return tuple(found)


def _outputs(tagger: Tagger, tasks: Sequence[str]) -> list[Output]:
    said = [output for name in tasks for output in tagger.task(name).outputs]
    said += [output for output, (name, _) in tagger.discriminants.items() if name in tasks]
    return said + [output for output, (name, _) in tagger.spreads.items() if name in tasks]


def _plain(tagger: Tagger, model: str, tasks: Sequence[str]) -> list[GraphOutput]:
    jets = tagger.spec.global_stream.name
    found, spreads = [], tagger.spreads
    for output in _outputs(tagger, tasks):
        column = output.column(model)
        # columns of two streams may have one name in prediction files, outputs of a graph may not
        name = column if output.stream == jets else f"{output.stream}_{column}"
        dtype = "int32" if output.kind == "index" else "float32"
        found.append(GraphOutput(name, ((1.0, output),), dtype=dtype, size=spreads.get(output, ("", 0.0))[1]))
    return found


def _athena(tagger: Tagger, model: str, tasks: Sequence[str]) -> list[GraphOutput]:
    jets = tagger.spec.global_stream.name
    found = [one for one in _plain(tagger, model, tasks) if one.stream == jets]
    for name in tasks:
        outputs = tagger.task(name).outputs
        stream = tagger.spec.stream(tagger.task(name).stream)
        if stream.is_global:
            continue
        if tagger.task(name).objects:  # the software knows one number per jet or track: of objects, whose each track is
            outputs = tuple(output for output in outputs if output.kind == "index")
        kinds = {output.kind for output in outputs}
        if "index" in kinds and stream.length > INT8_LIMIT:
            raise UserError(
                f"the ATLAS software reads vertices as int8, which ends at {INT8_LIMIT}, and '{stream.name}' has up to "
                f"{stream.length} constituents\ntruncate them in the configuration, or leave out task '{name}'"
            )
        terms = tuple((1.0, output) for output in outputs)
        if kinds == {"probability"}:
            camel = "".join(part[:1].upper() + part[1:] for part in name.split("_"))
            found.append(GraphOutput(f"{model}_{camel}", terms, largest=True, dtype="int8"))
            continue
        for output in outputs:
            dtype = "int8" if output.kind == "index" else "float32"
            found.append(GraphOutput(f"{model}_{output.field}", ((1.0, output),), dtype=dtype))
    return found


def _chosen(known: Sequence[str], wanted: Sequence[str] | None) -> tuple[str, ...]:
    for name in wanted or ():
        if name not in known:
            raise UserError(f"no task '{name}'{nearest(name, known)}\ntasks of the run: {', '.join(known)}")
    return tuple(name for name in known if wanted is None or name in wanted)


def _combined(
    outputs: Sequence[GraphOutput], model: str, wanted: Mapping[str, Mapping[str, float]]
) -> list[GraphOutput]:
    by_name = {one.name: one for one in outputs}
    found = []
    for short, factors in wanted.items():
        chosen = {_resolved(other, model, by_name, f"--combine {short}"): value for other, value in factors.items()}
        if len(chosen) < len(factors):
            raise UserError(f"--combine {short}: the same output twice, with and without the model's name in front")
        name = _prefixed(short, model, factors, by_name)
        if name in by_name:
            raise UserError(f"--combine: an output '{name}' is there already\nuse another name")
        for other in chosen:
            if by_name[other].kind in ("index", "embedding") or by_name[other].terms[0][1].width:
                raise UserError(f"--combine {short}: '{other}' is no number that could be added up")
        streams = {by_name[other].stream for other in chosen}
        if len(streams) != 1:
            raise UserError(f"--combine {short}: outputs of different streams: {', '.join(sorted(streams))}")
        terms = [(factor * own, output) for other, factor in chosen.items() for own, output in by_name[other].terms]
        size = sum(abs(factor) * by_name[other].size for other, factor in chosen.items())
        by_name[name] = GraphOutput(name, tuple(terms), size=size)
        found.append(by_name[name])
    return found


def _renamed(
    outputs: Sequence[GraphOutput], model: str, wanted: Mapping[str, str], inputs: Collection[str]
) -> list[GraphOutput]:
    by_name = {one.name: one for one in outputs}
    new = {
        _resolved(old, model, by_name, "--rename"): _prefixed(name, model, [old], by_name)
        for old, name in wanted.items()
    }
    found = [replace(one, name=new.get(one.name, one.name)) for one in outputs]
    names = [one.name for one in found]
    for name in names:
        if name in inputs:
            raise UserError(f"--rename: '{name}' is the name of an input")
        if names.count(name) > 1:
            raise UserError(f"--rename: two outputs would have the name '{name}'")
        if not name.replace("_", "").replace(".", "").isalnum() or not name.isascii():
            raise UserError(f"'{name}' is no name for an output: letters, digits, '_' and '.' only")
    return found


def _resolved(name: str, model: str, known: Collection[str], option: str) -> str:
    """An output by its name, with or without the model's in front."""
    for one in (name, f"{model}_{name}"):
        if one in known:
            return one
    raise UserError(f"{option}: no output '{name}'{nearest(name, known)}\noutputs: {', '.join(known)}")


def _prefixed(new: str, model: str, old: Collection[str], known: Collection[str]) -> str:
    """A new name, with the model's in front where an old one was written without it."""
    return new if all(one in known for one in old) or new.startswith(f"{model}_") else f"{model}_{new}"
