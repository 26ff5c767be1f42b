"""The samplers families may offer: our name, the scheduler of diffusers, its arguments.

| name       | what it is                                                     |
|------------|----------------------------------------------------------------|
| `euler`    | Euler's method, the plainest                                   |
| `euler_a`  | Euler with fresh noise after each step: more steps, other image |
| `dpm++_2m` | DPM-Solver++ of second order, multistep: good in few steps      |
| `ddim`     | DDIM without added noise                                        |

A family offers a subset as a `Literal` of its parameters. How the model was trained (prediction
type, betas, timestep spacing) stays what the configuration of its own scheduler says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

import diffusers
from torch import Tensor

#: From a scheduler and what its `step` returned to the predicted clean latents.
CleanLatents = Callable[[Any, tuple[Tensor, ...]], Tensor]


def _second_of_step(_scheduler: Any, result: tuple[Tensor, ...]) -> Tensor:
    return result[1]


def _newest_of_history(scheduler: Any, _result: tuple[Tensor, ...]) -> Tensor:
    """Multistep solvers return no prediction, but keep the last ones for themselves."""
    latents: Tensor = scheduler.model_outputs[-1]
    return latents


@dataclass(frozen=True, slots=True)
class Sampler:
    """A class of `diffusers`, its arguments, and where its predicted clean latents are found."""

    scheduler: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    clean_latents: CleanLatents = _second_of_step


SAMPLERS: Mapping[str, Sampler] = {
    "euler": Sampler("EulerDiscreteScheduler"),
    "euler_a": Sampler("EulerAncestralDiscreteScheduler"),
    "dpm++_2m": Sampler(
        "DPMSolverMultistepScheduler",
        {"algorithm_type": "dpmsolver++", "solver_order": 2},
        _newest_of_history,
    ),
    # Its default would clip the predicted latents to -1 ... 1, which is meant for pixels.
    "ddim": Sampler("DDIMScheduler", {"clip_sample": False}),
}


def build(name: str, config: Mapping[str, Any]) -> Any:
    """A fresh scheduler for sampler `name`, with the rest of `config` from the model's own."""
    sampler = SAMPLERS[name]
    return getattr(diffusers, sampler.scheduler).from_config(config, **sampler.arguments)


def watch(scheduler: Any, name: str) -> Callable[[], Tensor]:
    """Wrap `scheduler.step`; what is returned gives the predicted clean latents of the last step.

    diffusers' step callback only has the noisy latents, which show nothing before two thirds of
    the steps. The prediction is computed by the step anyway, so that looking at it is free.
    """
    step, clean_latents = scheduler.step, SAMPLERS[name].clean_latents
    results: list[tuple[Tensor, ...]] = [()]

    @wraps(step)  # pipelines look at the signature
    def watched(*args: Any, **kwargs: Any) -> tuple[Tensor, ...]:
        result: tuple[Tensor, ...] = step(*args, **kwargs)
        results[0] = result
        return result

    scheduler.step = watched
    return lambda: clean_latents(scheduler, results[0])
