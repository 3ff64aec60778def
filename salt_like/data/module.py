"""The `data:` section of a configuration: from files to loaders."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch
from lightning import LightningDataModule

from salt_like.conditioning import Conditioning
from salt_like.data.augment import Augmentation
from salt_like.data.cache import Cache
from salt_like.data.collate import Collator
from salt_like.data.complete import complete
from salt_like.data.config import DataConfig, LabelConfig, ParameterConfig, ReweightConfig, VariableConfig, request
from salt_like.data.loader import Loader, PackedSteps, Preparation, Steps
from salt_like.data.mixture import Mixture
from salt_like.data.norms import with_norms
from salt_like.data.occurrence import check_validation, occurrence
from salt_like.data.parameter import alone, completed, fitted
from salt_like.data.resolve import draft_spec
from salt_like.data.sample import Sample
from salt_like.data.splits import Splits, Which
from salt_like.data.statistics import Statistics, measure, statistics_key
from salt_like.data.steps import StepMaker
from salt_like.data.watch import watch
from salt_like.errors import UserError
from salt_like.spec import DataSpec

# of a parameterised network: test samples have values of their own already
PARAMETER: dict[Which, Literal["each epoch", "once", "elsewhere"]] = {
    "train": "each epoch",
    "val": "once",
    "test": "elsewhere",
}
Paths = str | list[str] | dict[str, str | list[str]] | None


class Data(LightningDataModule):
    """Training, validation and test data: what is read from which files, and how it becomes batches.

    Args:
        train: Training files: a path, a glob, a list of them, or named samples {ttbar: a*.h5, zprime: b*.h5}.
        val: Validation files.
        test: Test files; each named sample gets its own prediction file.
        inputs: Input variables of each stream: a list of names, or {pt: log, eta: null} to transform them, or
            {pt: {transform: log, clip: [1, null], flag_default: true}}.
        global_stream: Stream with one row per jet.
        batch_size: Jets in a batch of one process.
        accumulate: Batches per optimiser step.
        num_workers: Processes that prepare batches; 0 for none.
        seed: Seed of the shuffling and of the augmentation.
        select: Selection of each stream, such as {jets: "pt > 20e3 and abs(eta) < 2.5"}.
        order: Field by which the constituents of a stream are ordered, such as {tracks: -pt} for descending.
        max_constituents: Constituents of a stream that are kept per jet.
        num_train: Largest number of training jets.
        num_val: Largest number of validation jets.
        num_test: Largest number of jets of each test sample.
        fractions: Fraction of the training jets that each named sample makes up.
        split: Divides the events of the training files: {by: eventNumber, fractions: [0.8, 0.1, 0.1]} for training,
            validation and test.
        event: Field or fields that identify an event; eventNumber where the file has it.
        allow_overlap: Accept training, validation and test files that share events.
        weight: Field with the weight of each jet.
        reweight: Weights with which classes have the same kinematics: {label: flavour_label, bins: {pt: [2e4, 5e4]}}.
        parameter: Input of the jets that is a hypothesis, which only the signal has by itself:
            {field: HadronPt, label: flavour_label, signal: [bjets]}.
        defaults: Variable (or wildcard) and the value that means "not measured".
        allow_truth_inputs: Truth fields that may be inputs all the same.
        labels: Classes and ignored values of a label, by the name of its field.
        norm_dict: YAML file with mean and std of the variables; computed from the training files when absent.
        class_dict: YAML file with class weights; computed from the training files when absent.
        discriminants: Combinations of class probabilities, such as
            {Db: {signal: bjets, background: {cjets: 0.2, ujets: 0.8}}}.
        augment: Random changes of the training data, by class_path.
        cache: Keep a packed copy of the needed fields on disk: true, false (read the files in each epoch), or auto
            (true unless it cannot be written).
        cache_dir: Folder of the packed copies; $SALT_LIKE_CACHE or ~/.cache/salt-like when absent.
        layout: Layout of the constituents in a batch: packed or padded.
        buckets: Groups of similar multiplicity into which attention divides a packed batch.
        start_method: How workers are started: fork, spawn or forkserver; the system's default when absent.
        requests: What the tasks need; filled in from the model.
        spec: Description of the data of an existing model, which wins over the files.
        norms: Description of the data of an existing model whose mean and width of the inputs are kept.
    """

    def __init__(
        self,
        inputs: dict[str, list[str] | dict[str, VariableConfig | str | None]] | None = None,
        train: Paths = None,
        val: Paths = None,
        test: Paths = None,
        global_stream: str = "jets",
        batch_size: int = 1000,
        accumulate: int = 1,
        num_workers: int = 0,
        seed: int = 0,
        select: dict[str, str] | None = None,
        order: dict[str, str] | None = None,
        max_constituents: dict[str, int] | None = None,
        num_train: int | None = None,
        num_val: int | None = None,
        num_test: int | None = None,
        fractions: dict[str, float] | None = None,
        split: dict[str, str | list[str] | list[float]] | None = None,
        event: str | list[str] | None = None,
        allow_overlap: bool = False,
        weight: str | None = None,
        reweight: ReweightConfig | None = None,
        parameter: ParameterConfig | None = None,
        defaults: dict[str, float] | None = None,
        allow_truth_inputs: list[str] | None = None,
        labels: dict[str, LabelConfig] | None = None,
        norm_dict: str | None = None,
        class_dict: str | None = None,
        discriminants: dict[str, dict[str, Any]] | None = None,
        augment: list[Augmentation] | None = None,
        cache: bool | Literal["auto"] = "auto",
        cache_dir: str | None = None,
        layout: Literal["packed", "padded"] = "packed",
        buckets: int = 8,
        start_method: Literal["fork", "spawn", "forkserver"] | None = None,
        requests: list[dict[str, Any]] | None = None,
        spec: DataSpec | None = None,
        norms: DataSpec | None = None,
    ) -> None:
        super().__init__()
        self.batch_size = _at_least("batch_size", batch_size)
        self.accumulate = _at_least("accumulate", accumulate)
        self.workers = _at_least("num_workers", num_workers, 0)
        self.seed = seed
        self.allow_overlap = allow_overlap
        self.augment = tuple(augment or ())
        self.cache_policy = cache
        self.cache = Cache(Path(cache_dir).expanduser() if cache_dir else None)
        self.start_method = start_method
        wanted = [request(plain) for plain in requests or ()]
        limits: dict[Which, int | None] = {"train": num_train, "val": num_val, "test": num_test}
        self.splits = Splits({"train": train, "val": val, "test": test}, split, limits, fractions, weight)
        config = DataConfig(
            inputs=inputs or {},
            requests=wanted,
            global_stream=global_stream,
            select=select or {},
            order=order or {},
            max_constituents=max_constituents or {},
            defaults=defaults or {},
            labels=labels or {},
            event=event,
            weight=weight,
            allow_truth_inputs=allow_truth_inputs or (),
            discriminants=discriminants,
            reweight=reweight,
            parameter=parameter,
            seed=seed,
        )
        self.spec: DataSpec = spec or self._resolved(config, norm_dict, class_dict)
        if norms is not None and spec is None:
            self.spec = with_norms(self.spec, norms)
        pairs = tuple(dict.fromkeys(request.stream for request in wanted if request.pairs))
        self._labels = config.labels
        for one in self.augment:
            one.check(self.spec)
        self.collator = Collator(self.spec, layout, _at_least("buckets", buckets), pairs)
        self._steps: dict[Which, Steps] = {}
        self._loaders: list[Loader] = []
        self._train_loader: Loader | None = None
        self._state: dict[str, int] | None = None
        self._weight_scale: float | None = None

    def setup(self, stage: str | None = None) -> None:
        """Make or find the packed copies, and refuse samples that share events.

        Args:
            stage: ``"fit"``, ``"validate"``, ``"test"``, ``"predict"``, or ``None`` for all that is there.
        """
        if stage in ("fit", None) and "train" not in self._steps:
            if not self.allow_overlap:
                self._refuse_overlap()
            self._steps["train"] = self._maker("train", self.augment).shuffled(self._mixture("train"))
        if stage in ("fit", "validate", None) and self.validates and "val" not in self._steps:
            sample = self._mixture("val")
            source = self.splits.source("val").parts[0][0]
            check_validation(occurrence(sample, self.spec, self.cache), self.spec, self._labels, source)
            self._steps["val"] = self._maker("val").in_order(sample)

    def train_dataloader(self) -> Loader:
        """Shuffled batches, or tuples of `accumulate` batches; continues where `load_state_dict` says."""
        self.setup("fit")
        self._train_loader = self._loader(self._steps["train"])
        if self._state is not None:
            self._train_loader.load_state_dict(self._state)
        return self._train_loader

    def val_dataloader(self) -> Loader | list[Loader]:
        """Batches in the order of the files; nothing without validation files."""
        self.setup("validate")
        return self._loader(self._steps["val"]) if self.validates else []

    def test_dataloader(self) -> list[Loader]:
        """One loader for each of `test_samples`, in the order of the files."""
        return [self._loader(self._maker("test").once(sample)) for sample in self.test_samples().values()]

    def predict_dataloader(self) -> list[Loader]:
        """As `test_dataloader`, but labels are neither needed nor read."""
        return [self._loader(self._maker("test").once(sample)) for sample in self.test_samples(labels=False).values()]

    def teardown(self, stage: str | None = None) -> None:
        """End the workers.

        Args:
            stage: What ends.
        """
        del stage
        for loader in self._loaders:
            loader.close()
        self._loaders.clear()

    def test_samples(self, labels: bool = True) -> dict[str, Sample]:
        """The test samples by name, in the order of their loaders.

        Args:
            labels: False leaves labels out, so that files without truth can be read.

        Raises:
            UserError: There are no test files, or a sample has no jets.
        """
        samples = self.splits.samples("test", self.spec, self.weight_scale, labels)
        for sample in samples.values():
            if sample.count() == 0:
                raise sample.nothing_left()
        return samples

    @property
    def validates(self) -> bool:
        """Whether there are validation files."""
        return "val" in self.splits.files

    @property
    def weight_scale(self) -> float:
        """Mean absolute weight of the training jets, by which all weights are divided; 1 without weights."""
        if self._weight_scale is None:
            self._weight_scale = self._statistics(self.spec).weight_scale if self._weighted else 1.0
        return self._weight_scale

    @property
    def negative_weights(self) -> int:
        """Number of training jets whose weight is negative."""
        return self._statistics(self.spec).negative if self._weighted else 0

    @property
    def _weighted(self) -> bool:
        return self.splits.weight is not None and "train" in self.splits.files

    def copies(self) -> dict[str, str]:
        """Folder of the packed copy of each sample that is read from one; its name is the key of the cache."""
        return {
            which: str(steps.columns.folder) for which, steps in self._steps.items() if isinstance(steps, PackedSteps)
        }

    def state_dict(self) -> dict[str, int]:
        """Epoch and position of the training loader."""
        return self._train_loader.state_dict() if self._train_loader is not None else dict(self._state or {})

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Continue at this epoch and position."""
        self._state = dict(state_dict) or None
        if self._train_loader is not None and self._state is not None:
            self._train_loader.load_state_dict(self._state)

    def _resolved(self, config: DataConfig, norm_dict: str | None, class_dict: str | None) -> DataSpec:
        source = self.splits.source("train")
        draft = draft_spec(config, source)
        spec = complete(draft, self._statistics(draft), config, norm_dict, class_dict, source.parts[0][0])
        return spec if spec.parameter is None else self._conditioned(spec, spec.parameter)

    def _conditioned(self, spec: DataSpec, parameter: Conditioning) -> DataSpec:
        samples = self.splits.samples("train", alone(spec, parameter), parameter="own").values()
        about = {
            "parameter": [statistics_key(list(samples)), parameter.signal, parameter.edges, repr(spec.reweighting)]
        }
        return completed(spec, parameter, self.cache.plain(about, lambda: fitted(spec, parameter, samples)))

    def _statistics(self, spec: DataSpec) -> Statistics:
        samples = list(self.splits.samples("train", spec, parameter="own").values())

        def compute() -> dict[str, Any]:
            with watch("reading the training files once") as progress:
                return measure(samples, progress).to_dict()

        return Statistics.from_dict(self.cache.plain({"statistics": statistics_key(samples)}, compute))

    def _mixture(self, which: Which) -> Mixture:
        samples = self.splits.samples(which, self.spec, self.weight_scale, parameter="own")
        if not any(sample.rows for sample in samples.values()):
            raise UserError(f"no jets in data.{which}: {self.splits.source(which).parts[0][0]}")
        return Mixture(samples)

    def _refuse_overlap(self) -> None:
        keys = {
            which: Mixture(self.splits.samples(which, self.spec, labels=False)).fingerprint()
            for which in self.splits.files
        }

        def check() -> dict[str, Any]:
            with watch("comparing the events of the samples") as progress:
                self.splits.refuse_overlap(self.spec, progress)
            return {}

        self.cache.plain({"overlap": keys}, check)

    def _maker(self, which: Which, augment: tuple[Augmentation, ...] = ()) -> StepMaker:
        rank, world = (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)
        found = None if which == "test" else self.spec.reweighting
        factors = None if found is None else found.factors()
        # what training draws, validation weighs: its loss is that of the same sample, jet by jet
        rates = factors if found is not None and found.mode == "sampling" and which == "train" else None
        weights = factors if rates is None else None
        prepare = Preparation(self.collator, augment, self.seed, rank, weights, PARAMETER[which])
        return StepMaker(self.cache, self.cache_policy, prepare, self.batch_size, self.accumulate, world, rates)

    def _loader(self, steps: Steps) -> Loader:
        loader = Loader(steps, self.workers, self.start_method, pin_memory=torch.cuda.is_available())
        self._loaders.append(loader)
        return loader


def _at_least(name: str, value: int, least: int = 1) -> int:
    if value < least:
        raise UserError(f"data.{name} must be at least {least}, not {value}")
    return value
