"""The most memory that this process has used. Imports torch only when asked."""

from __future__ import annotations


def peak(device: str) -> int:
    """Bytes: of a GPU those of this process's tensors, else those of the whole process."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.max_memory_allocated(device)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def forget_peak(device: str) -> None:
    """Count from now on, where that is possible."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
