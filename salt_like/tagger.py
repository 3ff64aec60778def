"""The assembled network: inputs → tokens → encoder → pooling → tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from salt_like.batch import Batch
from salt_like.encoders import Encoder, Transformer
from salt_like.nn.inputs import InputNorm
from salt_like.nn.pooling import AttentionPooling, Pooling
from salt_like.sets import Layout, Tokens, layout_of
from salt_like.spec import DataSpec, Discriminant, Output
from salt_like.tasks import Logits, Task
from salt_like.tasks.discriminants import discriminant
from salt_like.tokenizers import DenseTokenizer, Tokenizer


@contextmanager
def _named(part: str) -> Iterator[None]:
    """What a part says about its arguments begins with the name of the part."""
    try:
        yield
    except ValueError as error:
        error.args = (f"{part}: {error}",)
        raise


class Tagger(nn.Module):
    """A multi-task tagger, sized by the description of its data.

    Every stream of constituents is embedded by its tokenizer; the encoder lets all constituents of a jet see each
    other; pooling makes one vector per jet; each task reads constituents and vector. Without streams of constituents
    the jet's own variables, embedded, are the vector.

    Args:
        spec: Description of the data; gives every size, name and normalisation.
        dim: Width ``D`` of the tokens.
        tasks: Name → factory called with the description, the token width and the width of the pooled vector.
        tokenizer: Factory called with number of inputs and `dim`, for every stream.
        tokenizers: Factories for single streams, in place of `tokenizer`.
        encoder: Factory called with `dim`.
        pooling: Factory called with the encoder's output width.
        attach_global: Give each constituent the variables of its jet as further inputs.
        join_global: Append the jet's own variables, embedded, to the pooled vector.

    Raises:
        ValueError: No input at all, a tokenizer for a stream that is not an input, or two outputs of one name.

    Attributes:
        pooled_dim: Width of the vector of a jet.
        discriminants: What is said of the jets besides, with the task and the classes that it combines.
    """

    def __init__(
        self,
        spec: DataSpec,
        dim: int,
        tasks: Mapping[str, Callable[[DataSpec, int, int], Task]],
        *,
        tokenizer: Callable[[int, int], Tokenizer] = DenseTokenizer,
        tokenizers: Mapping[str, Callable[[int, int], Tokenizer]] | None = None,
        encoder: Callable[[int], Encoder] = Transformer,
        pooling: Callable[[int], Pooling] = AttentionPooling,
        attach_global: bool = True,
        join_global: bool = False,
    ) -> None:
        super().__init__()
        self.spec = spec
        jets, sets = spec.global_stream, spec.set_streams
        inputs = [stream for stream in (jets, *sets) if stream.variables]
        factories = {stream.name: tokenizer for stream in inputs} | dict(tokenizers or {})
        if unknown := sorted(set(factories) - {stream.name for stream in inputs}):
            raise ValueError(
                f"tokenizers: '{unknown[0]}' is not an input (inputs: {', '.join(s.name for s in inputs)})"
            )
        if not inputs:
            raise ValueError("the model has no inputs: name at least one variable")
        self.attached = jets.name if attach_global and jets.variables else None
        self.joined = jets.name if jets.variables and (join_global or not sets) else None

        self.norms = nn.ModuleDict({stream.name: InputNorm(stream) for stream in inputs})
        widths = {stream.name: stream.width + (jets.width if self.attached else 0) for stream in sets}
        if self.joined:
            widths[jets.name] = jets.width
        self.tokenizers = nn.ModuleDict()
        for name, width in widths.items():
            with _named(f"tokenizer of '{name}'"):
                self.tokenizers[name] = factories[name](width, dim)
        with _named("encoder"):
            self.encoder = encoder(dim) if sets else None
            self._columns = {name: self._where(name) for name in (self.encoder.reads if self.encoder else ())}
        with _named("pooling"):
            self.pooling = pooling(self.encoder.dim) if self.encoder else None
        token_dim = self.encoder.dim if self.encoder else dim
        self.pooled_dim = (self.pooling.dim if self.pooling else 0) + (dim if self.joined else 0)
        self.tasks = nn.ModuleDict()
        for name, task in tasks.items():
            with _named(f"task '{name}'"):
                self.tasks[name] = task(spec, token_dim, self.pooled_dim)
        self.discriminants = self._discriminants()
        self._refuse_ambiguous_outputs()

    def forward(self, batch: Batch) -> dict[str, Logits]:
        """Logits of every task."""
        tokens, pooled = self.encode(batch)
        return {name: task(tokens, pooled) for name, task in self.tasks.items()}

    def encode(self, batch: Batch) -> tuple[Tokens | None, Tensor]:
        """What tasks read: constituents that have seen each other, if there are any, and one vector per jet."""
        layouts = {stream.name: layout_of(batch, stream.name) for stream in self.spec.set_streams}
        # what stands at padding is not to be trusted, and must not overflow on the way either
        raw = {
            name: layouts[name].blank(values) if name in layouts else values for name, values in batch.inputs.items()
        }
        inputs = {name: norm(raw[name]) for name, norm in self.norms.items()}
        columns = {name: self._column(raw, where) for name, where in self._columns.items()}
        tokens = self.encoder(self.tokenize(inputs, layouts, columns)) if self.encoder else None
        return tokens, self.pool(tokens, inputs)

    def tokenize(
        self,
        inputs: Mapping[str, Tensor],
        layouts: Mapping[str, Layout],
        columns: Mapping[str, Mapping[str, Tensor]] | None = None,
    ) -> Tokens:
        """Embed the normalised constituents of every stream and put them together, jet by jet."""
        streams = {}
        for name, layout in layouts.items():
            values = inputs[name]
            if self.attached:
                values = torch.cat([values, layout.spread(inputs[self.attached])], -1)
            streams[name] = (self.tokenizers[name](values), layout)
        return Tokens.merged(streams, columns)

    def pool(self, tokens: Tokens | None, inputs: Mapping[str, Tensor]) -> Tensor:
        """One vector per jet, ``(B, D)``."""
        parts = [] if self.pooling is None else [self.pooling(tokens)]
        if self.joined:
            parts.append(self.tokenizers[self.joined](inputs[self.joined]))
        return parts[0] if len(parts) == 1 else torch.cat(parts, -1)

    def predict(self, batch: Batch) -> dict[Output, Tensor]:
        """Everything the tagger says, as probabilities and in physical units."""
        return self.said(self(batch), batch)

    def said(self, logits: Mapping[str, Logits], batch: Batch) -> dict[Output, Tensor]:
        """What the logits of some or all tasks mean, as probabilities and in physical units."""
        found: dict[Output, Tensor] = {}
        for name, values in logits.items():
            found.update(self.task(name).predict(values, batch))
        for output, (name, combined) in self.discriminants.items():
            if name in logits:
                found[output] = discriminant(self.task(name).log_probabilities(logits[name]), combined)
        return found

    def task(self, name: str) -> Task:
        """The task of this name."""
        return self.tasks[name]  # type: ignore[return-value]

    @property
    def outputs(self) -> tuple[Output, ...]:
        """Everything that `predict` returns, in order."""
        said = (output for name in self.tasks for output in self.task(name).outputs)
        return (*said, *self.discriminants, *self.spreads)

    @property
    def spreads(self) -> Mapping[Output, tuple[str, float]]:
        """How far the members of an ensemble are apart: each output with its task and the size of what is compared.

        Programs agree about such a difference as far as they agree about what it is a difference of, so its tolerance
        needs the size, in the unit of the output.
        """
        return {}

    def _where(self, variable: str) -> dict[str, tuple[int, float | None]]:
        """Number and default value of a variable that the encoder reads, by stream."""
        found = {}
        for stream in self.spec.set_streams:
            names = [one.name for one in stream.variables]
            if variable not in names:
                raise ValueError(
                    f"reads '{variable}', which is not an input of stream '{stream.name}' (inputs: {', '.join(names)})"
                )
            number = names.index(variable)
            found[stream.name] = (number, stream.variables[number].default)
        return found

    @staticmethod
    def _column(raw: Mapping[str, Tensor], where: Mapping[str, tuple[int, float | None]]) -> dict[str, Tensor]:
        """Raw values of one variable by stream, 0 where it was not measured."""
        columns = {}
        for stream, (number, default) in where.items():
            column = raw[stream][..., number]
            measured = column.isfinite() if default is None else column.isfinite() & (column != default)
            columns[stream] = torch.where(measured, column, torch.zeros_like(column))
        return columns

    def _discriminants(self) -> dict[Output, tuple[str, Discriminant]]:
        """Those of the description, each with the first task of the jets that knows all its classes."""
        classes = {
            name: {output.of_class for output in self.task(name).outputs}
            for name in self.tasks
            if self.task(name).is_global
        }
        found = {}
        for one in self.spec.discriminants:
            task = next((name for name, known in classes.items() if {one.signal, *one.background} <= known), None)
            if task is not None:
                found[Output(self.spec.global_stream.name, one.name, "discriminant")] = (task, one)
        return found

    def _refuse_ambiguous_outputs(self) -> None:
        said = [(f"task '{name}'", output) for name in self.tasks for output in self.task(name).outputs]
        owners: dict[tuple[str, str], str] = {}
        said += [(f"discriminant '{one.field}'", one) for one in self.discriminants]
        said += [(f"the spread of task '{name}'", one) for one, (name, _) in self.spreads.items()]
        for name, output in said:
            other = owners.setdefault((output.stream, output.field), name)
            if other != name:
                raise ValueError(f"{other} and {name} both have an output '{output.field}' of stream '{output.stream}'")
