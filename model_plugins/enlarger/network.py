"""Upscalers that are networks, loaded by spandrel. Files of tensors only: no pickle is opened."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from PIL import Image

from darkroom import LoadContext, ModelCard, ModelLoadFailed, StepListener
from model_plugins.enlarger import tiling
from server.worker import tensor_files
from server.worker.device import release_memory
from server.worker.failures import is_out_of_memory

#: The most pixels of a tile's edge at first, and the fewest when memory is short.
EDGE, LEAST_EDGE = 256, 64

#: The edge where a network wants to see the whole image.
WHOLE = 2**31

INSTALL = "Install it with `pip install 'darkroom[spandrel]'`."

#: What spandrel imports of torchvision, and its names, for two architectures that do not enlarge.
TORCHVISION = "torchvision", "torchvision.transforms", "torchvision.transforms.functional"
TORCHVISION_NAMES = "InterpolationMode", "normalize", "rotate"


class SpandrelNetwork:
    """A model of spandrel as a function of images."""

    def __init__(self, model: Any, device: str, dtype: torch.dtype) -> None:
        """
        Args:
            model: a `spandrel.ImageModelDescriptor` of RGB images.
            device: torch's name of the device.
            dtype: what to compute in.
        """
        self._model = model.to(device=device, dtype=dtype).eval()
        self._device, self._dtype = device, dtype

    @property
    def scale(self) -> int:
        """See `tiling.Network`."""
        return int(self._model.scale)

    def __call__(self, tile: Image.Image) -> Image.Image:
        """See `tiling.Network`."""
        with torch.inference_mode():
            pixels = torch.from_numpy(np.array(tile)).to(self._device, self._dtype) / 255
            larger = self._model(pixels.permute(2, 0, 1)[None])[0].float().clamp(0, 1)
            rows = (larger * 255).round().byte().permute(1, 2, 0)
        return Image.fromarray(rows.contiguous().cpu().numpy())


class TiledNetwork:
    """Enlarges tile by tile; after memory ran out with smaller tiles, also from then on."""

    def __init__(self, network: tiling.Network, edge: int = EDGE) -> None:
        self._network = network
        self._edge = edge

    def enlarge(self, image: Image.Image, scale: int, on_step: StepListener) -> Image.Image:
        """See `Enlarger`; a part is a tile."""
        while True:
            try:
                return tiling.enlarge(image, scale, self._network, self._edge, on_step)
            except Exception as error:
                if not is_out_of_memory(error) or self._edge <= LEAST_EDGE:
                    raise
            # Only now: the exception's frames held the tensors.
            release_memory()
            self._edge = max(LEAST_EDGE, min(self._edge, max(image.size)) // 2)


def load(card: ModelCard, context: LoadContext) -> TiledNetwork:
    """The network of a `.safetensors` file.

    Raises:
        ModelLoadFailed: spandrel is not installed, or the file is not one of an upscaler.
    """
    state = _tensors(context.path)
    spandrel = _spandrel()
    model = _model(spandrel, context.path, state)
    _check(spandrel, context.path, model)
    network = SpandrelNetwork(model, context.device, _dtype(model, card, context.device))
    tiles = model.tiling is spandrel.ModelTiling.SUPPORTED
    return TiledNetwork(network, EDGE if tiles else WHOLE)


def _tensors(path: Path) -> dict[str, Any]:
    if not path.is_file() or tensor_files.is_gguf(path):
        raise ModelLoadFailed(
            f"{path.name} is no .safetensors file: the `source` of an upscaler is a single one."
        )
    return tensor_files.read(path, {name: name for name in tensor_files.shapes(path)})


def _spandrel() -> Any:
    try:
        with _without_torchvision():
            return importlib.import_module("spandrel")
    except ImportError as error:
        raise ModelLoadFailed(
            f"Upscalers that are networks need the package spandrel ({error}). {INSTALL}"
        ) from error


@contextmanager
def _without_torchvision() -> Iterator[None]:
    """Let spandrel be imported without torchvision, which need not be there: it is often of another
    build than torch, and fails then, and it changes what other libraries do."""
    if TORCHVISION[0] in sys.modules:
        yield
        return
    empty = {name: ModuleType(name) for name in TORCHVISION}
    for name in TORCHVISION_NAMES:
        setattr(empty[TORCHVISION[-1]], name, None)
    sys.modules.update(empty)
    try:
        yield
    finally:
        for name in TORCHVISION:
            del sys.modules[name]


def _model(spandrel: Any, path: Path, state: dict[str, Any]) -> Any:
    try:
        return spandrel.ModelLoader().load_from_state_dict(spandrel.canonicalize_state_dict(state))
    except spandrel.UnsupportedModelError as error:
        raise ModelLoadFailed(
            f"{path.name} has no architecture that spandrel knows: it is no upscaler, or a newer "
            "one than the installed spandrel."
        ) from error
    except Exception as error:
        # It guesses from names and shapes, and raises anything where these are odd.
        if is_out_of_memory(error):
            raise
        raise ModelLoadFailed(f"spandrel cannot make a model of {path.name}: {error}") from error


def _check(spandrel: Any, path: Path, model: Any) -> None:
    """
    Raises:
        ModelLoadFailed: it does something else than enlarging RGB images.
    """
    kind = f"{path.name} ({model.architecture.name})"
    if not isinstance(model, spandrel.ImageModelDescriptor) or model.purpose != "SR":
        raise ModelLoadFailed(f"{kind} is for {model.purpose}, it is no upscaler.")
    if model.scale < 2:
        raise ModelLoadFailed(f"{kind} leaves images as large as they are: it is no upscaler.")
    if (model.input_channels, model.output_channels) != (3, 3):
        raise ModelLoadFailed(
            f"{kind} turns {model.input_channels} channels into {model.output_channels}; an "
            "upscaler of RGB images is needed."
        )


def _dtype(model: Any, card: ModelCard, device: str) -> torch.dtype:
    """What the card says, else what is fast; bfloat16 is too coarse for 256 levels."""
    usual = "float16" if device.startswith("cuda") else "float32"
    able = {"float16": model.supports_half, "bfloat16": model.supports_bfloat16}
    wish = card.dtype or usual
    return getattr(torch, wish if able.get(wish, True) else "float32")  # type: ignore[no-any-return]
