"""What a worker process is told when it starts."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from server.model_entry import ModelEntry, Offload


class WorkerOptions(BaseModel):
    """The settings that matter to a worker; it travels as JSON on its command line.

    Attributes:
        device: `auto`, or torch's name of a device.
        offload: where weights stay while images are made, if a model's card does not say.
        model_memory: most bytes for the weights of all loaded models; None: as much as is free.
        lora_memory: most bytes of LoRA files that stay in memory with a loaded model.
        preview_interval: least seconds between two previews; 0 after every step; negative: none.
        keep_alive: seconds an idle worker stays; 0 ends it after each job; negative: it stays.
        plugin_folder: the user's folder of plugins.
        models: the configuration's models.
        log_level: `debug`, `info`, `warning` or `error`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    device: str = "auto"
    offload: Offload = "auto"
    model_memory: int | None = None
    lora_memory: int = 2 * 1024**3
    preview_interval: float = 0.15
    keep_alive: float = 600
    plugin_folder: str | None = None
    models: tuple[ModelEntry, ...] = ()
    log_level: str = "info"
