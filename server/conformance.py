"""Does a model family keep its promises? It is loaded and generates for real.

From pytest::

    from server.conformance import assert_conforms
    from server.plugins.manager import discover

    def test_conforms():
        assert_conforms(discover(Path("plugins")), "my_family", weights=lambda card: WEIGHTS)

`darkroom plugins check NAME` does the same from the command line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from server.errors import DarkroomError, PluginFailed
from server.generation import ImageParams, Task
from server.inputs import decode
from server.plugins.checks import default_problem, default_request, nearest
from server.plugins.manager import PluginManager
from server.plugins.types import LoraSupport, ModelCard, ModelFamily, Pipeline, TakesLoras
from server.snapshots import Weights as Places
from server.wording import describe
from server.worker.device import choose
from server.worker.offload import ON_DEVICE
from server.worker.quiet import hushed
from server.worker.residents import Movable, load_context

if TYPE_CHECKING:
    from PIL.Image import Image

#: Where a card's weights lie: its folder or file, or that of each part.
Weights = Callable[[ModelCard], Path | Places]

SEED = 12345
STEPS = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """One promise that was looked at. `subject` is the plugin, family or model; `message` says
    what is wrong and what to do, empty when `ok`."""

    subject: str
    name: str
    ok: bool
    message: str = ""


def assert_conforms(
    manager: PluginManager, name: str, *, weights: Weights, device: str = "cpu"
) -> None:
    """Raise AssertionError with every broken promise, a line each; see `check`."""
    findings = check(manager, name, weights=weights, device=device)
    broken = [f"{item.subject}: {item.name}: {item.message}" for item in findings if not item.ok]
    if broken:
        raise AssertionError("\n".join(broken))


def check(
    manager: PluginManager, name: str, *, weights: Weights, device: str = "cpu"
) -> list[Finding]:
    """Check a plugin with all its families, or one family.

    Args:
        manager: knows the plugin; its wrappers take part.
        name: a plugin's, a family's or a dialect's.
        weights: where a card's weights lie; it raises a `DarkroomError` when they do not.
        device: as the setting `device`.
    """
    families = [
        family for key, family in manager.families.items() if name in (key, manager.provider(key))
    ]
    records = {record.name: record for record in manager.records()}
    owner = manager.announcer(name)
    if owner not in records:
        known = {*records, *manager.families, *manager.dialects}
        message = f"No plugin, family or dialect is named `{owner}`. {nearest(owner, known)}"
        return [Finding(owner, "exists", False, message)]
    findings = [_finding(owner, "announces itself without fault", records[owner].faults)]
    findings.append(_finding(owner, "stays light at announcement", records[owner].warnings))
    for family in families:
        cards = [card for owner, card in manager.cards.values() if owner is family]
        findings.extend(_check_schema(family.name, family.params))
        for card in cards:
            if card.params is not None:
                findings.extend(_check_schema(card.id, card.params))
            findings.extend(_Trial(manager, family, card, weights, device).findings())
    return findings


def _finding(subject: str, name: str, problems: Iterable[str]) -> Finding:
    message = " ".join(problems)
    return Finding(subject, name, not message, message)


# --- the schema ----------------------------------------------------------------------------


def _check_schema(subject: str, params: type[ImageParams]) -> Iterator[Finding]:
    yield _finding(subject, "describes every parameter", _undescribed(params))
    yield _finding(subject, "accepts its own examples", _bad_examples(params))
    yield _finding(subject, "validates numbers as its schema says", _odd_numbers(params))


def _undescribed(params: type[ImageParams]) -> Iterator[str]:
    for name, item in params.model_fields.items():
        if not item.description:
            yield f"`{name}` has no description: give it `Field(description=…)`."


def _bad_examples(params: type[ImageParams]) -> Iterator[str]:
    schema = params.model_json_schema()
    bodies = [(body, body) for body in schema.get("examples", ())]
    for name, item in schema["properties"].items():
        bodies.extend(({name: value}, value) for value in item.get("examples", ()))
    for body, shown in bodies:
        problem = default_problem(params, body)
        if problem:
            yield f"The example {shown!r} is refused: {problem}."


def _odd_numbers(params: type[ImageParams]) -> Iterator[str]:
    """JSON Schema's integers include 512.0, and no number is "512" or true."""
    request = default_request(params)
    for name, item in params.model_json_schema()["properties"].items():
        value = request.get(name)
        if item.get("type") not in ("integer", "number") or value is None:
            continue
        wrong = [odd for odd in (str(value), True) if not default_problem(params, {name: odd})]
        if wrong or default_problem(params, {name: float(value)}):
            yield f"`{name}`: declare it as `darkroom.Integer` or `darkroom.Number`."


# --- loading and generating ----------------------------------------------------------------


class _Cancelled(BaseException):
    """What the server's step listener raises to cancel."""


@dataclass
class _Run:
    """What one run did. `steps` holds one list of (step, total) per image."""

    images: list[Image] = field(default_factory=list)
    steps: list[list[tuple[int, int]]] = field(default_factory=lambda: [[]])
    shapes: set[tuple[int, ...]] = field(default_factory=set)
    reads: bool = False

    def __call__(self, step: int, total_steps: int, latents: Any = None) -> None:
        """Note the step; look at the latents as a preview does, if this run reads them."""
        self.steps[-1].append((step, total_steps))
        latents = latents() if callable(latents) else latents
        if latents is not None:
            self.shapes.add(tuple(latents.shape))
            if self.reads:
                float(latents.sum())

    def warn(self, message: str) -> None:
        """Warnings are for people."""


@dataclass
class _Canceller:
    """Cancels at the first step, as the server does."""

    calls: int = 0

    def __call__(self, step: int, total_steps: int, latents: Any = None) -> None:
        """Count the call, and end the run."""
        self.calls += 1
        raise _Cancelled

    def warn(self, message: str) -> None:
        """Warnings are for people."""


class _Trial:
    """The checks of one model; they share its loaded pipeline."""

    def __init__(
        self,
        manager: PluginManager,
        family: ModelFamily,
        card: ModelCard,
        weights: Weights,
        device: str,
    ) -> None:
        self.manager, self.family, self.card = manager, family, card
        self.weights, self.device = weights, device
        #: How many images a request is for; where one is the most, the seed has no part in it.
        self.several = 1 if default_problem(family.params_of(card), {"num_images": 2}) else 2
        #: The files of the images that requests begin with.
        self.inputs: tuple[Path, ...] = ()

    def findings(self) -> Iterator[Finding]:
        """Load, generate, close, load again; the first that raises ends the trial."""
        with TemporaryDirectory(prefix="conformance-") as folder:
            yield from self._findings(Path(folder))

    def _findings(self, folder: Path) -> Iterator[Finding]:
        at = "gives an example of each image that it needs"
        try:
            self.inputs = tuple(_images(self._task().params, folder))
            at = "loads"
            pipeline = self._load()
            yield self._finding(at)
            if self.family.loras is not None:
                at = "takes LoRAs"
                yield self._finding(at, self._lora_problems(pipeline, self.family.loras))
            at = "generates"
            first = self._run(pipeline, self._task(num_images=self.several), reads=True)
            yield self._finding(at)
            yield from self._check_run(first)
            at = "can be cancelled within one step"
            yield self._finding(at, self._cancel_problems(pipeline))
            at = "generates again"
            yield from self._check_repeats(pipeline, first)
            if self.several > 1:
                yield from self._check_seeds(pipeline, first)
            at = "closes and loads again"
            pipeline.close()
            pipeline = self._load()
            again = self._run(pipeline, self._task())
            pipeline.close()
            yield self._finding(at, _same(again.images[0], first.images[0], "after loading again"))
        except DarkroomError as error:
            yield self._finding(at, [error.message])
        except Exception as error:  # noqa: BLE001 - the plugin's code
            yield self._finding(at, [f"It raised {describe(error)}. Mend it."])

    def _finding(self, name: str, problems: Iterable[str] = ()) -> Finding:
        return _finding(self.card.id, name, problems)

    def _load(self) -> Pipeline:
        found, device = self.weights(self.card), choose(self.device)
        if isinstance(found, Path):
            found = Places(path=str(found), components={}, config=None)
        context = load_context(self.card, found, device.name, device.dtype)
        with hushed():
            pipeline = self.manager.load_model(self.card, context)
        if isinstance(pipeline, Movable):
            pipeline.placed.place(ON_DEVICE, device.name)
        return pipeline

    def _task(
        self, *, seed: int = SEED, num_images: int = 1, indices: tuple[int, ...] = ()
    ) -> Task[Any]:
        return Task(
            job_id="conformance",
            model=self.card.id,
            family=self.family.name,
            params=_small(self.family, self.card, seed=seed, num_images=num_images),
            indices=indices or tuple(range(num_images)),
            inputs=self.inputs,
        )

    def _run(self, pipeline: Pipeline, task: Task[Any], *, reads: bool = False) -> _Run:
        run = _Run(reads=reads)
        for image in self.manager.generate(pipeline, task, run):
            # A copy: a pipeline that hands out the same buffer again would agree with itself.
            run.images.append(image.copy())
            run.steps.append([])
        return run

    def _lora_problems(self, pipeline: Pipeline, support: LoraSupport) -> Iterator[str]:
        if not isinstance(pipeline, TakesLoras):
            yield "The family announces `loras`, but what `load` returns has no `apply_loras`."
        elif getattr(pipeline, "lora_names", support.names) is not support.names:
            yield "Its `lora_names` are not those of the family's `LoraSupport`: set them."
        elif pipeline.apply_loras((), 0) != []:
            yield "`apply_loras` returns a match for each LoRA, and none for no LoRAs."

    def _check_run(self, run: _Run) -> Iterator[Finding]:
        yield self._finding("makes the size that was asked for", self._size_problems(run))
        yield self._finding("makes its images one by one, with rising steps", _step_problems(run))
        yield self._finding("hands over latents as `latent_format` says", self._latents(run))

    def _size_problems(self, run: _Run) -> Iterator[str]:
        width, height = self._task().params.image_size or self._enlarged()
        for image in run.images:
            if image.size != (width, height):
                yield (
                    f"An image is {image.width} x {image.height} pixels instead of {width} x "
                    f"{height} (width x height)."
                )

    def _enlarged(self) -> tuple[int, int]:
        """The size of an image that has its size from the one it begins with."""
        from server.worker.input_image import open_upright

        width, height = open_upright(self.inputs[0]).size
        times = self._task().params.enlargement
        return width * times, height * times

    def _latents(self, run: _Run) -> Iterator[str]:
        latent_format = self.family.latent_format
        if latent_format is None:
            return
        if not run.shapes:
            yield "No latents came: pass them to `on_step`, or leave `latent_format` out."
        for shape in run.shapes:
            if len(shape) != 3 or shape[0] != latent_format.channels:
                yield (
                    f"Latents of shape {shape} came: pass (channels, height, width) with "
                    f"{latent_format.channels} channels, as `latent_format` has rows."
                )

    def _cancel_problems(self, pipeline: Pipeline) -> list[str]:
        cancel = _Canceller()
        try:
            list(self.manager.generate(pipeline, self._task(), cancel))
        except _Cancelled:
            return [] if cancel.calls == 1 else ["It went on after `on_step` had raised."]
        return ["What `on_step` raised was swallowed: let every BaseException pass."]

    def _check_repeats(self, pipeline: Pipeline, first: _Run) -> Iterator[Finding]:
        quiet = self._run(pipeline, self._task()).images[0]
        again = self._run(pipeline, self._task()).images[0]
        yield self._finding(
            "makes the same image from the same seed", _same(quiet, again, "in a second run")
        )
        yield self._finding(
            "is not changed by listening",
            _same(first.images[0], again, "when the latents of each step are read"),
        )

    def _check_seeds(self, pipeline: Pipeline, first: _Run) -> Iterator[Finding]:
        next_seed = self._run(pipeline, self._task(seed=SEED + 1)).images[0]
        yield self._finding(
            "makes image i of a job with seed + i",
            _same(first.images[1], next_seed, "as image 1 of a job and alone with seed + 1"),
        )
        resumed = self._run(pipeline, self._task(num_images=2, indices=(1,))).images[0]
        yield self._finding(
            "makes a missing image alone",
            _same(first.images[1], resumed, "when only `indices` (1,) are asked for"),
        )
        equal = first.images[0].tobytes() == next_seed.tobytes()
        yield self._finding(
            "makes other images from other seeds",
            ["Two seeds gave one image: use `task.seed(index)`."] if equal else (),
        )


def _same(one: Image, other: Image, when: str) -> list[str]:
    if one.size == other.size and one.tobytes() == other.tobytes():
        return []
    return [f"The pixels differ {when}: draw all random numbers from `task.seed(index)`."]


def _step_problems(run: _Run) -> Iterator[str]:
    *images, rest = run.steps
    if rest:
        yield "Steps came after the last image."
    for index, calls in enumerate(images):
        steps = [step for step, _ in calls]
        totals = {total for _, total in calls}
        if not calls:
            yield f"Image {index}: `on_step` was not called while it was made: yield each at once."
        elif len(totals) > 1 or steps[-1] not in totals or steps != sorted(set(steps)):
            yield (
                f"Image {index}: `on_step` was called with steps {steps} of {sorted(totals)}: "
                "count from 1 up to one total."
            )


def _images(params: ImageParams, folder: Path) -> Iterator[Path]:
    """The images that a request names, as files; its examples are data URIs."""
    for number, source in enumerate(params.image_sources):
        if not source.startswith("data:"):
            raise PluginFailed("The first of an image's `examples` must be a data URI.")
        path = folder / str(number)
        path.write_bytes(decode(source))
        yield path


def _small(family: ModelFamily, card: ModelCard, **asked: int) -> ImageParams:
    """Valid parameters of a cheap request: the smallest size, wider than high, and few steps."""
    fixed, params = {**card.defaults, **card.fixed}, family.params_of(card)
    across = params.model_json_schema()["properties"].get("width", {})
    low, unit = across.get("minimum", 64), across.get("multipleOf", 16)
    values: dict[str, Any] = {**default_request(params), **card.defaults}
    for name, value in {"width": low + unit, "height": low, "steps": STEPS}.items():
        if name not in card.fixed and not default_problem(params, {**fixed, name: value}):
            values[name] = value
    return params.model_validate({**values, **card.fixed, **asked})
