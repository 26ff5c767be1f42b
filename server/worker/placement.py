"""Puts a pipeline's weights where a decision says, and takes them back.

An image to image pipeline made of the same parts runs through the same hooks but owns none of
them: in mode `model` its last parts stay on the device until the pipeline that was placed is
called, or its `maybe_free_model_hooks`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from diffusers.hooks import HookRegistry, apply_group_offloading

from server.worker.components import IN_BLOCKS, VAE
from server.worker.offload import Decision

#: What diffusers calls its hooks of group offloading, of which it has no public way to be rid.
_GROUP_HOOKS = ("group_offloading", "layer_execution_tracker", "lazy_prefetch_group_offloading")

#: Devices that copy while they compute.
_STREAMING = ("cuda", "xpu")


def apply(pipe: Any, decision: Decision, device: str) -> None:
    """Place a pipeline that is not placed in another way (`undo` first).

    Args:
        pipe: a `diffusers.DiffusionPipeline`.
        decision: how.
        device: torch's name of the device that computes.
    """
    decode_in_parts(pipe, tiles=decision.vae_tiling, slices=decision.vae_slicing)
    match decision.mode:
        case "none":
            pipe.to(device)
        case "model":
            pipe.enable_model_cpu_offload(device=device)
        case "group":
            _stream(pipe, torch.device(device), ahead=torch.device(device).type in _STREAMING)
        case "sequential":
            # accelerate's sequential offloading takes as little memory, but cannot be undone.
            _stream(pipe, torch.device(device), ahead=False, blocks=False)


def undo(pipe: Any) -> None:
    """Remove what `apply` did. The weights stay where they are just then: on the host, mostly."""
    decode_in_parts(pipe, tiles=False, slices=False)
    pipe.remove_all_hooks()
    for _, module in _modules(pipe):
        registry = HookRegistry.check_if_exists_or_initialize(module)
        for name in _GROUP_HOOKS:
            registry.remove_hook(name, recurse=True)


def _stream(pipe: Any, device: torch.device, *, ahead: bool, blocks: bool = True) -> None:
    for name, module in _modules(pipe):
        if name == VAE:  # small, and cast to another type by some pipelines, which hooks forbid
            module.to(device)
            continue
        in_blocks = blocks and name == IN_BLOCKS
        apply_group_offloading(
            module,
            onload_device=device,
            offload_device=torch.device("cpu"),
            offload_type="block_level" if in_blocks else "leaf_level",
            num_blocks_per_group=1 if in_blocks else None,
            use_stream=ahead,
        )


def _modules(pipe: Any) -> Iterator[tuple[str, torch.nn.Module]]:
    for name, component in pipe.components.items():
        if isinstance(component, torch.nn.Module):
            yield name, component


def decode_in_parts(pipe: Any, *, tiles: bool, slices: bool) -> None:
    """Let the autoencoder work tile by tile, and image by image, or not.

    Set both ways: it may be shared with a pipeline that was placed otherwise.
    """
    vae: Any = getattr(pipe, VAE, None)
    if not hasattr(vae, "enable_tiling"):
        return
    (vae.enable_tiling if tiles else vae.disable_tiling)()
    (vae.enable_slicing if slices else vae.disable_slicing)()
