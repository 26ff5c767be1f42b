"""The records a plugin announces and the protocols its objects fulfil."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from pydantic import BaseModel

from server.generation import ImageParams, Task
from server.lora_names import LoraNames
from server.model_entry import Offload
from server.quantization import Quantization
from server.rate_limits import RateLimits

if TYPE_CHECKING:
    from PIL.Image import Image

    from server.snapshots import TaskMessage, WorkerNews


@dataclass(frozen=True, slots=True)
class LatentFormat:
    """How a family's latents look as colours, for previews.

    `rgb_factors` has one row of three numbers per latent channel. A latent pixel, as the denoiser
    sees it, times the factors plus `rgb_bias` is red, green and blue in −1 … 1.
    """

    rgb_factors: tuple[tuple[float, float, float], ...]
    rgb_bias: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def channels(self) -> int:
        """How many latent channels the family has."""
        return len(self.rgb_factors)


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One checkpoint a client may name.

    Attributes:
        id: its name in requests and answers.
        title: its name for people.
        source: where the weights are: `package:NAME/SUBFOLDER` for weights inside a Python
            package, the path of a local folder or file, a repository `org/name[@revision]` or a
            file in one, a civitai URN, id or address, or an https URL.
        aliases: other names clients use for it.
        license: an SPDX identifier or the licence's name.
        size_bytes: what loading it reads from disk; 0 when unknown.
        description: a sentence for people choosing a model.
        training_resolution: the edge of the square it was trained on, in pixels.
        defaults: parameters that differ from the family's defaults.
        fixed: parameters that cannot be chosen: a 4-step model stays a 4-step model.
        params: the class of this checkpoint's requests where it takes other words or bounds than
            the rest of its family; None: the family's.
        components: parts that come from elsewhere than `source`, by the pipeline's name for them
            (`vae`, `text_encoder`, …): sources like `source`.
        dtype: torch's name of the type to load the weights as; None: what suits the device.
        variant: which files of a repository to take where it has several sets: `fp16`, say.
        config: where `source` is a single file, the folder or repository in diffusers' layout that
            gives the configurations, the tokenizers and the parts that the file lacks: a source
            like `source`.
        quantization: how to hold the large parts in fewer bits, one of
            `server.quantization.CHOICES`; None: as `dtype` says.
        offload: where the weights stay while images are made, see `server.worker.offload`; None:
            what the settings say.
        bundled: its weights come with the package; nothing is downloaded.
        lora_width: the width of its denoiser where models of one family differ in it, so that LoRAs
            for another are refused, see `LoraSupport.width`; None: any of the family's will do.
    """

    id: str
    title: str
    source: str
    aliases: tuple[str, ...] = ()
    license: str = ""
    size_bytes: int = 0
    description: str = ""
    training_resolution: int = 1024
    defaults: Mapping[str, Any] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    params: type[ImageParams] | None = None
    components: Mapping[str, str] = field(default_factory=dict)
    dtype: str | None = None
    variant: str | None = None
    config: str | None = None
    quantization: Quantization | None = None
    offload: Offload | None = None
    bundled: bool = False
    lora_width: int | None = None


@dataclass(frozen=True, slots=True)
class LoadContext:
    """What a family's `load` is given in the worker.

    Attributes:
        path: the folder (or file) with the card's weights, present on this machine.
        device: torch's name of the device, `cpu` or `cuda:0` say.
        dtype: torch's name of the floating-point type to load to, `bfloat16` say.
        components: the folders or files of the parts that the card takes from elsewhere.
        config: where `path` is a single file, the folder in diffusers' layout that gives the
            configurations, the tokenizers and the parts that the file lacks.
        quantization: how to hold the large parts in fewer bits, one of
            `server.quantization.CHOICES`; None: as `dtype` says.
        variant: which files of a folder to take where it has several sets: `fp16`, say.
    """

    path: Path
    device: str
    dtype: str
    components: Mapping[str, Path] = field(default_factory=dict)
    config: Path | None = None
    quantization: Quantization | None = None
    variant: str | None = None


class StepListener(Protocol):
    """Called by a pipeline after each denoising step, on the generation thread."""

    def __call__(self, step: int, total_steps: int, latents: Any = None) -> None:
        """Report that step `step` of `total_steps` (from 1) is done.

        `latents` is the predicted clean image as a torch tensor of shape (channels, height,
        width) in the denoiser's scale, or a function that gives it, or None; it is only read or
        called when a preview is due. Stops the job by raising a `BaseException`: let it pass.
        """

    def warn(self, message: str) -> None:
        """Tell whoever asked for the images something, in a sentence: it stands in the job's
        `warnings`."""


@runtime_checkable
class Pipeline(Protocol):
    """A loaded model, in the worker."""

    def generate(self, task: Task[Any], on_step: StepListener) -> Iterator[Image]:
        """Yield one RGB image per `task.indices`, in that order, each made on its own with
        `task.seed(index)`."""

    def close(self) -> None:
        """Let go of everything that holds memory. Called once, before the object is dropped."""


@dataclass(frozen=True, slots=True)
class LoraFile:
    """A LoRA to apply: its file, and the weight from −2 to 2."""

    id: str
    path: Path
    weight: float


@dataclass(frozen=True, slots=True)
class LoraMatch:
    """What became of a LoRA: how many of its `total` modules were applied, whether a text encoder
    was among them, and the names, as the file writes them, of those that were left out.
    `alpha_known`: whether the file says the factor of its changes, which is taken as 1 if not."""

    id: str
    matched: int
    total: int
    text_encoder: bool
    unmatched: tuple[str, ...] = ()
    alpha_known: bool = True


@runtime_checkable
class TakesLoras(Protocol):
    """A loaded model of a family that supports LoRAs. `DiffusersPipeline` is one."""

    def apply_loras(self, loras: Sequence[LoraFile], keep_bytes: int) -> list[LoraMatch]:
        """Apply exactly these LoRAs until the next call; none: as if there never were any.

        Args:
            loras: what to apply, in this order.
            keep_bytes: bytes of LoRAs that may stay in memory for the next job.

        Returns:
            A match per LoRA, in the same order.

        Raises:
            LoraIncompatible: one of them does not fit the loaded model; none is applied then.
        """


@dataclass(frozen=True, slots=True)
class LoraSupport:
    """What a family announces about LoRAs.

    Attributes:
        names: what its modules are called, by it and by others.
        recognizes_lora: called with the shapes of a file's tensors by name, and its metadata;
            whether the file is a LoRA for this family. It must look at shapes too: many families
            have names in common.
        base_models: how other people's names of its models begin, in lower case: `pony`, say. A
            file that is said to be for a model of another family is not this one's, whatever its
            shapes; of several families that recognise a file these names tell which has it.
        relatives: the same of models of no family whose LoRAs look like this one's and are not.
        width: called with the shapes of a file that it recognises; the width of the published
            denoiser that the file is for, see `ModelCard.lora_width`. None where that cannot be
            told, and for models narrower than published ones, made for tests.
        weighted_prompts: its prompts take `(word:1.3)` and `<lora:NAME:WEIGHT>`.
        folder: LoRAs that come with the family.
    """

    names: LoraNames
    recognizes_lora: Callable[[Mapping[str, tuple[int, ...]], Mapping[str, str]], bool]
    base_models: tuple[str, ...] = ()
    relatives: tuple[str, ...] = ()
    width: Callable[[Mapping[str, tuple[int, ...]]], int | None] | None = None
    weighted_prompts: bool = False
    folder: Path | None = None


@dataclass(frozen=True, slots=True)
class ModelFamily:
    """A kind of model: its parameters, its checkpoints, how it is loaded.

    Attributes:
        name: its key, in lower case.
        title: its name for people.
        params: the class of its requests; its JSON Schema is published.
        load: `"module:callable"`, imported in the worker only; called as
            `load(card: ModelCard, context: LoadContext) -> Pipeline`.
        cards: the checkpoints it offers.
        latent_format: how its latents look as colours; None: no previews.
        file_parts: the parts that a single file of it holds, by the pipeline's names for them.
        aspect_ratios: sizes it is good at, (width, height) by ratio, `16:9` say.
        capabilities: what it can do, such as `negative_prompt`, `image_to_image`, `loras`.
        loras: what it knows of LoRAs, with the capability `loras`; None: it takes none.
    """

    name: str
    title: str
    params: type[ImageParams]
    load: str
    cards: tuple[ModelCard, ...]
    latent_format: LatentFormat | None = None
    file_parts: frozenset[str] = frozenset()
    aspect_ratios: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    capabilities: frozenset[str] = frozenset()
    loras: LoraSupport | None = None

    def params_of(self, card: ModelCard) -> type[ImageParams]:
        """The class of requests to `card`."""
        return card.params or self.params

    def begins_with_words(self, card: ModelCard) -> bool:
        """Whether a prompt alone makes an image with `card`; else it needs an image, say."""
        given = {"prompt", *card.defaults, *card.fixed}
        fields = self.params_of(card).model_fields
        return all(word in given or not field.is_required() for word, field in fields.items())


@dataclass(frozen=True, slots=True)
class Dialect:
    """Another server's API, spoken on top of the same jobs.

    Attributes:
        name: its key, in lower case: `--listen NAME=PORT`, `[dialects.NAME]`, `/docs/NAME`.
        title: its name for people.
        build: `"module:callable"`, imported in the server only; called once as
            `build(host: DialectHost) -> Faces`, both of `darkroom.dialects`.
        options: what `[dialects.NAME]` may hold besides the words that all dialects have; None:
            nothing.
        rate_limits: how many jobs callers of each tier may submit, `10/minute; 100/hour`, unless
            the configuration says otherwise. A tier that is not named has no limit.
    """

    name: str
    title: str
    build: str
    options: type[BaseModel] | None = None
    rate_limits: RateLimits = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FinishedJob:
    """What `job_finished` is told. `status` is completed, failed or cancelled; `snapshot` is the
    job as clients see it."""

    job_id: str
    status: str
    model: str
    snapshot: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class NewImage:
    """What `image_added` is told. `path` is the PNG, `record` the image as `/api/images` shows
    it."""

    filename: str
    path: Path
    record: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PluginRecord:
    """A plugin and how it fares. `faults` are sentences; `warnings` do not make it unusable."""

    name: str
    version: str
    origin: str
    faults: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong with it."""
        return not self.faults


class Executor(Protocol):
    """Where tasks run: a worker process, a thread, one day a cluster."""

    @property
    def device(self) -> str | None:
        """What its worker computes on, by torch's name; None until one has said so."""

    def slots(self) -> Iterable[str]:
        """The places that each run one task at a time."""

    def run(self, slot: str, task: Task[Any], attempt: int) -> AsyncGenerator[TaskMessage, None]:
        """Run `task` and yield what happens; the last message is TaskFinished, TaskFailed or
        TaskCancelled.

        Raises:
            WorkerLost: the worker ended before the task did.
        """

    def cancel(self, job_id: str, attempt: int) -> None:
        """Ask for the end of a running task; it ends with TaskCancelled."""

    def load(self, model: str) -> None:
        """Make `model` resident as soon as nothing runs; starts a worker if there is none."""

    def unload(self, model: str) -> None:
        """Free `model`'s memory as soon as nothing runs."""

    def listen(self, listener: Callable[[WorkerNews], None]) -> None:
        """Call `listener`, on the event loop, with every change of a model's state, what is known
        of the device's memory when that changes, and every plugin fault seen in use."""

    async def close(self) -> None:
        """End every worker; what runs is lost (`WorkerLost`)."""
