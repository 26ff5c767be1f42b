"""From files on this machine to a pipeline of diffusers, without asking a hub.

A model is a folder in diffusers' layout, or a single file: a whole checkpoint, or a denoiser, for
which a folder gives the configurations, the tokenizers and the other parts.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import diffusers
import torch
from accelerate import init_empty_weights

from server.errors import ModelLoadFailed
from server.plugins.importing import uncollected
from server.plugins.types import LoadContext
from server.wording import describe
from server.worker import tensor_files
from server.worker.architecture import Architecture, check_readable
from server.worker.components import part_of, weight_files
from server.worker.failures import is_out_of_memory
from server.worker.quantizing import (
    check_file,
    configurations,
    dequantize_besides_linear,
    gguf_configuration,
    quantize,
)
from server.worker.quiet import disable_progress_bars
from server.worker.shared_parts import SHARED_PARTS, Identity
from server.worker.tensor_files import Shapes, is_gguf


def load_pretrained(architecture: Architecture, context: LoadContext, **arguments: Any) -> Any:
    """A pipeline from files on this machine, in RAM: `PlacedPipeline.place` moves it.

    Args:
        architecture: what the family's weights are made of.
        context: where the files lie, and what to load them to.
        arguments: more for the pipeline's class.

    Raises:
        ModelLoadFailed: a file is not of this family, does not fit the configuration, or is
            damaged; a folder or a package is missing; the device cannot do the quantization.
    """
    disable_progress_bars()
    return _Loader(architecture, context).pipeline(arguments)


class _Loader:
    def __init__(self, architecture: Architecture, context: LoadContext) -> None:
        self._architecture = architecture
        self._context = context
        self._folder = _folder(context)
        self._quantizations = configurations(architecture, context)
        self._usual = {"dtype": getattr(torch, context.dtype), "local_files_only": True}
        # Else a pickle is taken where there is nothing better, and that runs code.
        self._safely = {**self._usual, "use_safetensors": True}

    def pipeline(self, arguments: dict[str, Any]) -> Any:
        """The pipeline, with the parts that come from elsewhere."""
        path = self._context.path
        with uncollected():  # diffusers imports what is asked for
            cls = getattr(diffusers, self._architecture.pipeline)
        sources = dict(self._context.components)
        if path.is_file():
            sources.setdefault(self._architecture.part, path)
        parts = {name: self._part(name, source) for name, source in sources.items()}
        if self._quantizations:
            _make_current(self._context.device)
        if path.is_file() and self._architecture.is_whole(tensor_files.shapes(path)):
            with _fitting(path):
                return cls.from_single_file(
                    str(path), config=str(self._folder), **self._usual, **parts, **arguments
                )
        identities = dict(self._identities(without=parts))
        for name, identity in identities.items():
            if (part := SHARED_PARTS.find(identity)) is not None:
                parts[name] = part
        self._check_family(cls)
        with _fitting(self._folder):
            pipe = cls.from_pretrained(
                self._folder,
                variant=self._variant(*(self._folder / name for name in self._index)),
                **{**self._safely, **parts, **arguments},
                **self._quantized_besides(parts),
            )
        for name, identity in identities.items():
            SHARED_PARTS.keep(identity, pipe.components[name])
        return pipe

    def _check_family(self, cls: Any) -> None:
        """Pipelines of one family with other names have the same parts."""
        named = _json(self._folder / "model_index.json").get("_class_name")
        wanted = set(cls._get_signature_keys(cls)[0]) - set(cls._optional_components)
        denoiser = self._index.get(self._architecture.part, [None])[-1]
        alike = wanted <= self._index.keys() and denoiser == self._architecture.denoiser
        if named != self._architecture.pipeline and not alike:
            raise ModelLoadFailed(f"{self._folder} is a {named}, not a model of this family.")

    def _identities(self, without: Collection[str]) -> Iterator[tuple[str, Identity]]:
        """The parts that other models may have too: no two have one denoiser."""
        for name in self._index.keys() - without - {self._architecture.part}:
            folder = self._folder / name
            files = weight_files(folder, self._context.variant)
            if not files:
                continue
            way = self._context.quantization if name in self._architecture.large_encoders else None
            kind = (self._class(name, folder).__qualname__, self._context.dtype, way)
            yield name, Identity.of(kind, _json(folder / "config.json"), files)

    def _quantized_besides(self, parts: dict[str, Any]) -> dict[str, Any]:
        """The argument that quantizes what the pipeline loads itself."""
        mapping = {k: v for k, v in self._quantizations.items() if k not in parts}
        if not mapping:
            return {}
        config = diffusers.PipelineQuantizationConfig(quant_mapping=mapping)
        return {"quantization_config": config}

    def _part(self, name: str, source: Path) -> Any:
        if name not in self._index:
            known = ", ".join(sorted(self._index))
            raise ModelLoadFailed(f"The pipeline has no part `{name}`; it has {known}.")
        if source.is_dir():
            return self._from_folder(name, part_of(source, name))
        tensors = tensor_files.shapes(source)
        check_readable(source, tensors)
        if name == self._architecture.part:
            return self._denoiser(source, tensors)
        return self._from_file(name, source)

    def _from_folder(self, name: str, folder: Path) -> Any:
        cls = self._class(name, folder)
        if not issubclass(cls, torch.nn.Module):
            return cls.from_pretrained(folder, local_files_only=True)
        with _fitting(folder):
            return cls.from_pretrained(
                folder, variant=self._variant(folder), **self._safely, **self._quantized(name)
            )

    def _variant(self, *folders: Path) -> str | None:
        """The variant, if one of these has it: nobody may be asked for what is not there."""
        wish = self._context.variant
        files = (file for folder in folders for file in weight_files(folder, wish))
        return wish if any(f".{wish}." in file.name for file in files) else None

    def _quantized(self, name: str) -> dict[str, Any]:
        config = self._quantizations.get(name)
        return {} if config is None else {"quantization_config": config}

    def _from_file(self, name: str, path: Path) -> Any:
        cls = self._class(name, self._folder / name)
        if not hasattr(cls, "from_single_file"):
            raise ModelLoadFailed(f"The part `{name}` is loaded from a folder, not from a file.")
        with _fitting(path):
            return cls.from_single_file(str(path), config=str(self._folder / name), **self._usual)

    def _denoiser(self, path: Path, tensors: Shapes) -> Any:
        way = self._context.quantization
        check_file(way, path)
        config = self._folder / self._architecture.part
        cls = getattr(diffusers, self._architecture.denoiser)
        names = self._architecture.denoiser_names(path, tensors, _expected(cls, config))
        stored = gguf_configuration(self._usual["dtype"]) if is_gguf(path) else {}
        with _fitting(path):
            model = cls.from_single_file(
                tensor_files.read(path, names), config=str(config), **self._usual, **stored
            )
        if is_gguf(path):
            dequantize_besides_linear(model, self._usual["dtype"])
        elif way is not None:
            quantize(model, way)
        return model

    @cached_property
    def _index(self) -> dict[str, list[str]]:
        """Library and class of each part, as the folder has them."""
        content = _json(self._folder / "model_index.json")
        return {name: value for name, value in content.items() if isinstance(value, list)}

    def _class(self, name: str, folder: Path) -> Any:
        """The class that a folder names itself, else that of the part it replaces."""
        library, replaced = self._index[name]
        config = folder / "config.json"
        own = _json(config).get("_class_name") if config.is_file() else None
        return getattr(import_module(library), own or replaced)


def _make_current(device: str) -> None:
    """bitsandbytes loads to the current GPU, whatever is asked for."""
    wanted = torch.device(device)
    if wanted.type == "cuda" and wanted.index is not None:
        torch.cuda.set_device(wanted)


def _folder(context: LoadContext) -> Path:
    """The folder in diffusers' layout."""
    if context.path.is_dir():
        return context.path
    if not context.path.is_file():
        raise ModelLoadFailed(f"There is no file or folder {context.path}.")
    if context.config is None:
        raise ModelLoadFailed(
            f"{context.path.name} is a single file, without configurations, tokenizers and other "
            "parts. Name the folder in diffusers' layout to take them from."
        )
    return context.config


def _expected(cls: Any, config: Path) -> Shapes:
    """The shapes of a model's tensors, without their memory."""
    with init_empty_weights():
        model = cls.from_config(cls.load_config(str(config), local_files_only=True))
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def _json(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelLoadFailed(f"{path} cannot be read: {describe(error)}") from error
    return content


@contextmanager
def _fitting(path: Path) -> Iterator[None]:
    """What converters raise at a file that lacks tensors, or has others, as a sentence."""
    try:
        yield
    except (LookupError, NotImplementedError, RuntimeError, ValueError, OSError) as error:
        if is_out_of_memory(error):
            raise
        raise ModelLoadFailed(
            f"{path.name} does not fit the configuration it is loaded with: {describe(error)}"
        ) from error
