"""Schedulers with the configurations that the families publish."""

from __future__ import annotations

from diffusers import FlowMatchEulerDiscreteScheduler


def flow(shift: float) -> FlowMatchEulerDiscreteScheduler:
    """Rectified flow with one shift for every size."""
    return FlowMatchEulerDiscreteScheduler(shift=shift)


def flow_by_size() -> FlowMatchEulerDiscreteScheduler:
    """Rectified flow whose shift grows with the number of latents."""
    return FlowMatchEulerDiscreteScheduler(
        shift=3.0,
        use_dynamic_shifting=True,
        base_shift=0.5,
        max_shift=1.15,
        base_image_seq_len=256,
        max_image_seq_len=4096,
    )
