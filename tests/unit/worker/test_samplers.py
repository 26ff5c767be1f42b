"""The predicted clean latents of every sampler, under a model that knows the answer."""

from __future__ import annotations

from typing import Any

import pytest

from server.errors import ModelLoadFailed
from server.worker import samplers

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")

NOISE: dict[str, Any] = {
    "_class_name": "EulerDiscreteScheduler",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "timestep_spacing": "leading",
    "steps_offset": 1,
}
FLOW: dict[str, Any] = {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0}

#: Those whose samples keep the variance; with the others it grows by the noise.
VARIANCE_PRESERVING = ("dpm++", "ddim", "uni_pc")


def clean() -> Any:
    """The picture that the model knows."""
    import torch

    return torch.linspace(-2, 2, 4 * 4 * 4).reshape(1, 4, 4, 4)


def noise_level(scheduler: Any, number: int) -> Any:
    """Noise over signal of the sample that step `number` is given."""
    if hasattr(scheduler, "sigmas"):
        return scheduler.sigmas[number]
    signal = scheduler.alphas_cumprod[scheduler.timesteps[number]]
    return ((1 - signal) / signal) ** 0.5


def noise_in(sample: Any, level: Any, name: str) -> Any:
    """The noise of a sample: what the knowing model answers."""
    if name.startswith(VARIANCE_PRESERVING):
        scale = (1 + level**2) ** 0.5
        return (sample * scale - clean()) / level
    return (sample - clean()) / level


@pytest.mark.parametrize("name", samplers.SAMPLERS)
def test_every_step_tells_the_picture_the_model_sees(name: str) -> None:
    import torch

    scheduler, clean_latents = samplers.build(name, NOISE)
    scheduler.set_timesteps(6)
    generator = torch.Generator().manual_seed(1)
    sample = torch.randn(clean().shape, generator=generator) * scheduler.init_noise_sigma
    for number, timestep in enumerate(scheduler.timesteps):
        output = noise_in(sample, noise_level(scheduler, number), name)
        scheduler.scale_model_input(sample, timestep)
        (sample, *_) = scheduler.step(output, timestep, sample, return_dict=False)
        assert torch.allclose(clean_latents(), clean(), atol=0.02), number
    assert len(scheduler.timesteps) == (11 if name.startswith("heun") else 6)


@pytest.mark.parametrize("name", samplers.FLOW_SAMPLERS)
def test_every_step_of_a_flow_tells_the_picture_too(name: str) -> None:
    import torch

    scheduler, clean_latents = samplers.build(name, FLOW)
    scheduler.set_timesteps(6)
    sample = torch.randn(clean().shape, generator=torch.Generator().manual_seed(1))
    for number, timestep in enumerate(scheduler.timesteps):
        output = (sample - clean()) / scheduler.sigmas[number]
        (sample,) = scheduler.step(output, timestep, sample, return_dict=False)
        assert torch.allclose(clean_latents(), clean(), atol=0.02), number
    assert torch.allclose(sample, clean(), atol=0.02)
    assert len(scheduler.timesteps) == (11 if name.startswith("heun") else 6)


def test_nothing_of_a_sampler_stays_in_the_models_own_configuration() -> None:
    before = dict(NOISE)
    for name in samplers.SAMPLERS:
        scheduler, _ = samplers.build(name, NOISE)
        scheduler.set_timesteps(3)
    assert before == NOISE


#: What a checkpoint may be published with, as its own scheduler's choice.
CHOSEN: dict[str, dict[str, Any]] = {
    "karras": {"use_karras_sigmas": True},
    "beta": {"use_beta_sigmas": True},
    "exponential": {"use_exponential_sigmas": True},
    "lu": {"use_lu_lambdas": True},
    "third order": {"solver_order": 3},
}


@pytest.mark.parametrize("chosen", CHOSEN)
@pytest.mark.parametrize("name", samplers.SAMPLERS)
def test_a_name_means_the_same_whatever_the_checkpoint_was_published_with(
    name: str, chosen: str
) -> None:
    usual, _ = samplers.build(name, NOISE)
    found, _ = samplers.build(name, {**NOISE, **CHOSEN[chosen]})
    assert type(found) is type(usual)
    assert {word: found.config.get(word) for word in usual.config} == dict(usual.config)
    assert bool(usual.config.get("use_karras_sigmas")) == name.endswith("_karras")


def test_models_of_rectified_flow_keep_their_own_noise_levels() -> None:
    scheduler, _ = samplers.build("euler", {**FLOW, "use_karras_sigmas": True})
    assert scheduler.config.use_karras_sigmas


@pytest.mark.parametrize("name", ["euler_a", "dpm++_2m_karras"])
def test_a_scheduler_of_another_kind_of_model_is_told(name: str) -> None:
    with pytest.raises(ModelLoadFailed, match=r"FlowMatchEulerDiscreteScheduler.*there are euler,"):
        samplers.build(name, FLOW)
