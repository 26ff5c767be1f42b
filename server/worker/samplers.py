"""The samplers families may offer: our name, the scheduler of diffusers, its arguments.

For models of noise schedules (the original scheduler's configuration has betas):

| name           | scheduler                         | arguments                                 |
|----------------|-----------------------------------|-------------------------------------------|
| `euler`        | `EulerDiscreteScheduler`          |                                           |
| `euler_a`      | `EulerAncestralDiscreteScheduler` |                                           |
| `dpm++_2m`     | `DPMSolverMultistepScheduler`     | algorithm_type="dpmsolver++"              |
| `dpm++_2m_sde` | `DPMSolverMultistepScheduler`     | algorithm_type="sde-dpmsolver++"          |
| `dpm++_sde`    | `DPMSolverSinglestepScheduler`    | algorithm_type="sde-dpmsolver++"          |
| `ddim`         | `DDIMScheduler`                   | clip_sample=False, set_alpha_to_one=False |
| `heun`         | `HeunDiscreteScheduler`           |                                           |
| `lms`          | `LMSDiscreteScheduler`            |                                           |
| `uni_pc`       | `UniPCMultistepScheduler`         |                                           |

`_karras` behind a name (not `euler_a`, `ddim`: diffusers cannot) sets `use_karras_sigmas=True`, the
noise levels of Karras et al., arXiv:2206.00364. For models of rectified flow: `euler`,
`FlowMatchEulerDiscreteScheduler`, and `heun`, `FlowMatchHeunDiscreteScheduler`.

The pairs are those of diffusers' table of A1111's samplers (its documentation, *Schedulers*), save
that `dpm++_sde` adds noise, as its name says. `heun` evaluates the model twice a step.

A family offers a subset as a `Literal` of its parameters. How the model was trained (prediction
type, betas, timestep spacing, shift) stays what the configuration of its own scheduler says. What
the name says does not: a checkpoint that was published with a solver of third order or with Karras'
noise levels has neither under `dpm++_2m`. Models of rectified flow keep the noise levels that they
were published with, since `euler` is their own sampler and no other name stands beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import Any

import diffusers
from torch import Tensor

from server.errors import ModelLoadFailed


@dataclass(frozen=True, slots=True)
class Step:
    """What a scheduler's step was given and what it returned."""

    output: Tensor
    timestep: Any
    sample: Tensor
    returned: tuple[Tensor, ...]


#: From a scheduler and its last step to the predicted clean latents.
CleanLatents = Callable[[Any, Step], Tensor]


def _second_returned(_scheduler: Any, step: Step) -> Tensor:
    return step.returned[1]


def _newest_of_history(scheduler: Any, _step: Step) -> Tensor:
    """Multistep solvers return no prediction, but keep the last ones for themselves."""
    latents: Tensor = scheduler.model_outputs[-1]
    return latents


def _end_of_flow(scheduler: Any, step: Step) -> Tensor:
    """Where the straight line of a rectified flow ends; the time is the noise's share."""
    share = step.timestep / scheduler.config.num_train_timesteps
    latents: Tensor = step.sample.float() - share * step.output
    return latents


@dataclass(frozen=True, slots=True)
class Sampler:
    """A class of `diffusers`, its arguments, and where its predicted clean latents are found."""

    scheduler: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    clean_latents: CleanLatents = _second_returned


def _with_karras(samplers: Mapping[str, Sampler]) -> dict[str, Sampler]:
    karras = {"use_karras_sigmas": True}
    return {
        f"{name}_karras": replace(sampler, arguments={**sampler.arguments, **karras})
        for name, sampler in samplers.items()
    }


_SPACED_FREELY = {
    "euler": Sampler("EulerDiscreteScheduler"),
    "dpm++_2m": Sampler(
        "DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++"}, _newest_of_history
    ),
    "dpm++_2m_sde": Sampler(
        "DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}, _newest_of_history
    ),
    "dpm++_sde": Sampler(
        "DPMSolverSinglestepScheduler", {"algorithm_type": "sde-dpmsolver++"}, _newest_of_history
    ),
    "heun": Sampler("HeunDiscreteScheduler"),
    "lms": Sampler("LMSDiscreteScheduler"),
    "uni_pc": Sampler("UniPCMultistepScheduler", clean_latents=_newest_of_history),
}

SAMPLERS: Mapping[str, Sampler] = {
    **_SPACED_FREELY,
    "euler_a": Sampler("EulerAncestralDiscreteScheduler"),
    # Its defaults would clip the latents to -1 ... 1, which is meant for pixels, and end elsewhere
    # than the models were trained to.
    "ddim": Sampler("DDIMScheduler", {"clip_sample": False, "set_alpha_to_one": False}),
    **_with_karras(_SPACED_FREELY),
}

FLOW_SAMPLERS: Mapping[str, Sampler] = {
    "euler": Sampler("FlowMatchEulerDiscreteScheduler", clean_latents=_end_of_flow),
    "heun": Sampler("FlowMatchHeunDiscreteScheduler", clean_latents=_end_of_flow),
}


#: What a sampler's name says, so that the model's own scheduler must not; the classes' defaults are
#: no special noise levels, and second order.
_SAID_BY_THE_NAME = frozenset(
    {
        "use_karras_sigmas",
        "use_exponential_sigmas",
        "use_beta_sigmas",
        "use_lu_lambdas",
        "solver_order",
    }
)


def _find(name: str, config: Mapping[str, Any]) -> tuple[Sampler, Mapping[str, Any]]:
    """The sampler, and what it takes from the configuration of the model's own scheduler."""
    own = str(config.get("_class_name"))
    is_flow = own.startswith("FlowMatch")
    samplers = FLOW_SAMPLERS if is_flow else SAMPLERS
    if name not in samplers:
        raise ModelLoadFailed(
            f"The model's scheduler, {own}, is not of the kind that the sampler `{name}` is for: "
            "its `scheduler` folder belongs to another kind of model, or its family to another "
            f"model. With this scheduler there are {', '.join(samplers)}."
        )
    if is_flow:
        return samplers[name], config
    return samplers[name], {
        word: value for word, value in config.items() if word not in _SAID_BY_THE_NAME
    }


def build(name: str, config: Mapping[str, Any]) -> tuple[Any, Callable[[], Tensor]]:
    """A fresh scheduler for sampler `name`, with the rest of `config` from the model's own; and a
    function that gives the predicted clean latents of its last step.

    diffusers' step callback only has the noisy latents, which show nothing before two thirds of
    the steps.

    Raises:
        ModelLoadFailed: there is no such sampler for a model with this scheduler.
    """
    sampler, taken = _find(name, config)
    scheduler = getattr(diffusers, sampler.scheduler).from_config(taken, **sampler.arguments)
    take, last = scheduler.step, list[Step]()

    @wraps(take)  # pipelines look at the signature
    def step(output: Tensor, timestep: Any, sample: Tensor, **kwargs: Any) -> tuple[Tensor, ...]:
        returned: tuple[Tensor, ...] = take(output, timestep, sample, **kwargs)
        last[:] = [Step(output, timestep, sample, returned)]
        return returned

    scheduler.step = step
    return scheduler, lambda: sampler.clean_latents(scheduler, last[0])
