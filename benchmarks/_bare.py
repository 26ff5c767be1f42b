"""Plain diffusers in a process of its own: the other side of every comparison.

Run as a program it does what it is told on standard input, one line of JSON each.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

from _measuring import ROOT
from _memory import forget_peak, peak


class BareDiffusers:
    """A process with one pipeline of diffusers, called as its documentation says."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        )

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def load(self, folder: Path, dtype: str = "float32", device: str = "cpu") -> float:
        """Load a pipeline in place of the one before; the seconds that took."""
        return float(self._ask(load=str(folder), dtype=dtype, device=device)["seconds"])

    def image(self, sampler: str, seed: int, **arguments: Any) -> tuple[float, str]:
        """Make an image: the seconds that took, and the hash of its pixels."""
        answer = self._ask(sampler=sampler, seed=seed, arguments=arguments)
        return answer["seconds"], answer["pixels"]

    def peak(self) -> int:
        """The most bytes that were in use since the pipeline was loaded (on a CPU: ever)."""
        return int(self._ask(peak=True)["bytes"])

    def _ask(self, **words: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith("{"):
                answer: dict[str, Any] = json.loads(line)
                return answer
        raise SystemExit("plain diffusers ended early; what it wrote stands above")


def pixels(image: Any) -> str:
    """The hash of an image's pixels."""
    return hashlib.sha256(image.tobytes()).hexdigest()


class _Loaded:
    """The child's side."""

    def __init__(self) -> None:
        self._pipe: Any = None
        self._device = "cpu"

    def answer(self, words: dict[str, Any]) -> dict[str, Any]:
        """Do what a line says."""
        if "load" in words:
            return self._load(Path(words["load"]), words["dtype"], words["device"])
        if "peak" in words:
            return {"bytes": peak(self._device)}
        return self._image(**words)

    def _load(self, folder: Path, dtype: str, device: str) -> dict[str, Any]:
        import torch

        from tests.families import plain_diffusers

        self._pipe, self._device = None, device
        gc.collect()
        forget_peak(device)
        began = perf_counter()
        self._pipe = plain_diffusers.load(folder, dtype=getattr(torch, dtype)).to(device)
        wait(device)
        return {"seconds": perf_counter() - began}

    def _image(self, sampler: str, seed: int, arguments: dict[str, Any]) -> dict[str, Any]:
        from tests.families import plain_diffusers

        began = perf_counter()
        made = plain_diffusers.image(self._pipe, sampler, seed, **arguments)
        return {"seconds": perf_counter() - began, "pixels": pixels(made)}


def wait(device: str) -> None:
    """Until a GPU has done what it was given."""
    import torch

    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def _main() -> None:
    import diffusers.utils.logging
    import transformers.utils.logging

    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.disable_progress_bar()
    loaded = _Loaded()
    for line in sys.stdin:
        print(json.dumps(loaded.answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    _main()
