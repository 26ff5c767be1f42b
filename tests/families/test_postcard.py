"""The embedded model as the worker runs it: the real weights, the real pipeline."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from model_plugins.postcard import LATENT_FORMAT, WEIGHTS, PostcardParams, register_model_families
from server.generation import Task
from server.plugins.types import LoadContext, ModelCard
from server.snapshots import ImageReady, PreviewReady, StepDone, TaskFinished
from server.worker.preview import colours
from tests.support import Listener
from tests.unit.worker.processes import task, worker

SAMPLERS = ("euler", "euler_a", "dpm++_2m", "ddim")
PROMPT = "a red circle on a blue background"

# torch's tensors do not know numpy 2's `copy` argument yet, and diffusers' schedulers convert them.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")

Pixels = npt.NDArray[np.uint8]
Make = Callable[..., Image.Image]
Listen = Callable[[int, int, Any], None]


def card() -> ModelCard:
    (family,) = register_model_families()
    return family.cards[0]


def order(indices: tuple[int, ...] = (0,), **params: Any) -> Task[PostcardParams]:
    given = {"prompt": PROMPT, "seed": 7, "steps": 4, **params}
    return Task("job", "postcard", "postcard", PostcardParams.model_validate(given), indices)


@pytest.fixture(scope="session")
def pipeline() -> Any:
    """The loaded family, shared by every test of the session."""
    import torch

    from model_plugins.postcard.pipeline import load

    torch.set_num_threads(1)
    return load(card(), LoadContext(WEIGHTS, "cpu", "float32"))


@pytest.fixture(scope="session")
def plain() -> Make:
    """Images of a plain call of diffusers."""
    from tests.families import plain_diffusers

    pipe = plain_diffusers.load(WEIGHTS)
    return lambda *args, **kwargs: plain_diffusers.image(pipe, *args, **kwargs)


def make(pipeline: Any, listen: Listen | None = None, **params: Any) -> Image.Image:
    (image,) = pipeline.generate(order(**params), Listener(listen))
    assert isinstance(image, Image.Image)
    return image


def array(image: Image.Image) -> Pixels:
    return np.asarray(image)


# --- the announcement ------------------------------------------------------------------------


def test_the_weights_are_small_and_complete() -> None:
    files = [file for file in WEIGHTS.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) <= 16_000_000
    assert WEIGHTS / "unet" / "diffusion_pytorch_model.safetensors" in files
    assert card().bundled
    assert card().size_bytes == sum(file.stat().st_size for file in files)


def test_every_example_of_the_schema_is_a_valid_request() -> None:
    examples = PostcardParams.model_json_schema()["examples"]
    assert len([PostcardParams.model_validate(example) for example in examples]) >= 2


# --- the pipeline ----------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_an_image_is_byte_for_byte_that_of_a_plain_call(
    pipeline: Any, plain: Make, sampler: str
) -> None:
    ours = make(pipeline, sampler=sampler, negative_prompt="green", cfg_scale=4, width=96)
    theirs = plain(
        sampler,
        7,
        prompt=PROMPT,
        negative_prompt="green",
        width=96,
        height=128,
        num_inference_steps=4,
        guidance_scale=4.0,
    )
    assert ours.size == (96, 128)
    assert ours.tobytes() == theirs.tobytes()


def test_every_sampler_makes_another_image(pipeline: Any) -> None:
    images = {make(pipeline, sampler=sampler).tobytes() for sampler in SAMPLERS}
    assert len(images) == len(SAMPLERS)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_sampler_keeps_what_the_model_was_trained_with(pipeline: Any, sampler: str) -> None:
    from server.worker import samplers

    scheduler, _ = samplers.build(sampler, pipeline._scheduler_config)
    config = scheduler.config
    assert (config.prediction_type, config.timestep_spacing) == ("v_prediction", "trailing")
    assert (config.beta_start, config.beta_end) == (0.0001, 0.02)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_one_step_and_many_steps_run(pipeline: Any, sampler: str) -> None:
    for steps in (1, 50):
        seen: list[tuple[int, int]] = []

        def listen(step: int, total: int, latents: Any, seen: list[tuple[int, int]] = seen) -> None:
            assert tuple(latents.shape) == (8, 8, 8)
            seen.append((step, total))

        assert array(
            make(pipeline, listen, sampler=sampler, steps=steps, width=64, height=64)
        ).any()
        assert seen == [(step, steps) for step in range(1, steps + 1)]


@pytest.mark.parametrize(("width", "height"), [(64, 64), (80, 208), (2048, 64), (64, 2048)])
def test_odd_shapes_run(pipeline: Any, width: int, height: int) -> None:
    assert make(pipeline, width=width, height=height, steps=1).size == (width, height)


def test_each_image_of_a_task_is_the_one_its_own_seed_makes(pipeline: Any) -> None:
    together = list(pipeline.generate(order((0, 2), num_images=3), Listener()))
    alone = [make(pipeline, seed=7), make(pipeline, seed=9)]
    assert [image.tobytes() for image in together] == [image.tobytes() for image in alone]


@pytest.mark.parametrize(
    "change",
    [{"prompt": "a city at night"}, {"negative_prompt": "red"}, {"cfg_scale": 1}, {"seed": 8}],
)
def test_every_word_changes_the_image(pipeline: Any, change: dict[str, Any]) -> None:
    assert make(pipeline, **change).tobytes() != make(pipeline).tobytes()


def test_without_guidance_a_negative_prompt_has_no_effect(pipeline: Any) -> None:
    with_it, without = (make(pipeline, cfg_scale=1, negative_prompt=text) for text in ("red", ""))
    assert with_it.tobytes() == without.tobytes()


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_last_preview_is_the_image_in_small(pipeline: Any, sampler: str) -> None:
    previews: list[Pixels] = []

    def listen(step: int, total: int, latents: Any) -> None:
        previews.append(colours(latents.numpy(), LATENT_FORMAT))

    image = make(pipeline, listen, sampler=sampler, steps=12)
    small = array(image.resize((16, 16), Image.Resampling.BOX)).astype(float)
    errors = [float(np.abs(preview - small).mean()) for preview in previews]
    assert errors[-1] < 25
    assert errors[-1] < errors[0] * 0.75


def test_an_exception_of_the_listener_passes_and_leaves_no_trace(pipeline: Any) -> None:
    class Stop(BaseException):
        pass

    def stop(step: int, total: int, latents: Any) -> None:
        if step == 2:
            raise Stop

    before = make(pipeline)
    with pytest.raises(Stop):
        make(pipeline, stop)
    assert make(pipeline).tobytes() == before.tobytes()


def test_nothing_is_left_to_train(pipeline: Any) -> None:
    parts = [part for part in pipeline._pipe.components.values() if hasattr(part, "parameters")]
    assert len(parts) == 4
    assert not any(weight.requires_grad for part in parts for weight in part.parameters())


# --- in the worker process -------------------------------------------------------------------


def test_two_processes_make_the_same_pixels_with_and_without_previews(
    pipeline: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A user may have it set; libraries then warn whoever turns the bars on again.
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    words = {"prompt": PROMPT, "steps": 6, "num_images": 2}
    here = list(pipeline.generate(order((0, 1), seed=1, **words), Listener()))
    with worker(keep_alive=0, preview_interval=0) as process:
        messages = process.run(task("postcard", str(WEIGHTS), **words))
        process.rest()
        log = process.stderr.read().decode()
    images = [message.png for message in messages if isinstance(message, ImageReady)]
    there = [Image.open(BytesIO(png)).tobytes() for png in images]
    assert there == [image.tobytes() for image in here]
    assert len(there) == 2
    assert isinstance(messages[-1], TaskFinished)
    assert any(isinstance(message, StepDone) for message in messages)
    assert [line for line in log.splitlines() if not line.startswith("INFO ")] == []
    previews = [message for message in messages if isinstance(message, PreviewReady)]
    assert {Image.open(BytesIO(preview.jpeg)).size for preview in previews} == {(128, 128)}
