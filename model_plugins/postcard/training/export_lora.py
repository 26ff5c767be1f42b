"""Writes a trained adapter in the layout of diffusers, with what it is in the file's header."""

import hashlib
import json
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from diffusers import StableDiffusionXLPipeline
from peft import get_peft_model_state_dict
from safetensors.torch import save
from torch import Tensor

from .styles import STYLES
from .train_lora import build_adapted, lora_name
from .trainer import Settings, load_average

log = logging.getLogger(__name__)

MOST_BYTES = 1_000_000


def export_lora(settings: Settings, style: str, weights: Path, rank: int, folder: Path) -> Path:
    """Exports the averaged adapter of the last checkpoint; gives the file written."""
    painter = build_adapted(weights, rank)
    steps, samples, _ = load_average(settings.work, lora_name(style), painter)
    parts = {"unet": painter.unet}
    parts |= {"text_encoder": painter.encoders[0], "text_encoder_2": painter.encoders[1]}
    header = {
        "format": "pt",
        # What diffusers rebuilds the adapter from; without alpha it would guess.
        "lora_adapter_metadata": json.dumps(_adapters(parts)),
        **_modelspec(style),
        **_kohya(settings, style, rank, steps, samples),
    }
    file = folder / f"{style}.safetensors"
    StableDiffusionXLPipeline.save_lora_weights(
        folder,
        **{f"{name}_lora_layers": _halved(part) for name, part in parts.items()},
        weight_name=file.name,
        save_function=lambda tensors, path: _write(tensors, Path(path), header),
    )
    log.info("%s: %.2f MB after step %d", file.name, file.stat().st_size / 1e6, steps)
    return file


def _halved(part: Any) -> dict[str, Tensor]:
    """The adapter of a part of the model in half precision."""
    tensors = get_peft_model_state_dict(part).items()
    return {name: tensor.to(torch.float16).contiguous() for name, tensor in tensors}


def _adapters(parts: dict[str, Any]) -> dict[str, Any]:
    """What each adapter is made of, in the words of peft."""
    described: dict[str, Any] = {}
    for name, part in parts.items():
        config = part.peft_config["default"]
        described[f"{name}.r"] = config.r
        described[f"{name}.lora_alpha"] = config.lora_alpha
        described[f"{name}.target_modules"] = sorted(config.target_modules)
    return described


def _modelspec(style: str) -> dict[str, str]:
    """What https://github.com/Stability-AI/ModelSpec describes, as far as it applies."""
    described = STYLES[style]
    fields = {
        "sai_model_spec": "1.0.1",
        "architecture": "postcard/lora",
        "implementation": "diffusers",
        "title": described.title,
        "description": described.description,
        "author": "Darkroom",
        "license": "Apache-2.0",
        "date": datetime.now(UTC).date().isoformat(),
        "resolution": "128x128",
        "prediction_type": "v",
        "trigger_phrase": described.word,
        "usage_hint": f"Begin the prompt with “{described.word},”; weight 1, less for less of it.",
        "tags": "style",
    }
    return {f"modelspec.{key}": value for key, value in fields.items()}


def _kohya(settings: Settings, style: str, rank: int, steps: int, samples: int) -> dict[str, str]:
    """The keys of kohya's trainer that most tools read, as far as they are true of this one."""
    word = STYLES[style].word
    fields = {
        "network_module": "peft.tuners.lora",
        "network_dim": rank,
        "network_alpha": rank,
        "network_args": json.dumps({"conv_dim": rank, "conv_alpha": rank}),
        "base_model_version": "postcard",
        "output_name": style,
        "tag_frequency": json.dumps({style: {word: samples // 2}}),
        "num_train_images": samples,
        "steps": steps,
        "total_batch_size": settings.batch,
        "learning_rate": settings.rate,
        "seed": settings.seed,
        "optimizer": "torch.optim.AdamW",
        "mixed_precision": settings.precision,
        "resolution": "(128, 128)",
    }
    return {f"ss_{key}": str(value) for key, value in fields.items()}


def _write(tensors: dict[str, Tensor], path: Path, header: dict[str, str]) -> None:
    """Writes the file with the hash of its tensors in the header, in one piece."""
    content = save(tensors, header)
    begin = 8 + int.from_bytes(content[:8], "little")
    digest = hashlib.sha256(content[begin:]).hexdigest()
    content = save(tensors, {**header, "modelspec.hash_sha256": f"0x{digest}"})
    if len(content) > MOST_BYTES:
        raise ValueError(f"{len(content)} bytes are more than {MOST_BYTES}; lower the rank")
    half_written = path.with_suffix(".part")
    half_written.write_bytes(content)
    half_written.chmod(0o644)
    half_written.replace(path)
