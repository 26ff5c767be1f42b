"""Settings: where things lie and how the server behaves.

A setting comes from, strongest first: the command line, `DARKROOM_*` environment variables,
`darkroom.toml`, its default. Relative paths in `darkroom.toml` are relative to that file.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, Self

from pydantic import Field, IPvAnyNetwork, ValidationError, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from server import dialect_entry, lora_entry, settings_file
from server.dialect_entry import DialectEntry, ListenEntry
from server.enrich_entry import EnrichEntry
from server.errors import ConfigurationError
from server.folders import Folders
from server.generation import MAX_LORAS
from server.lora_entry import LoraEntry
from server.model_entry import ModelEntry, Offload, faults_of
from server.rate_limits import RateLimitSetting
from server.settings_faults import PREFIX, Given
from server.wording import summary

#: What `load_settings` read from the file; pydantic-settings builds its sources itself, so that
#: this is the way to hand it over.
_file_values: ContextVar[Mapping[str, Any]] = ContextVar(
    "file_values", default=MappingProxyType({})
)


class Settings(BaseSettings):
    """Everything that can be set. Frozen: a running server's settings do not change."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", description="Address to serve on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to serve on; 0 takes a free one.")
    insecure: bool = Field(
        False, description="Serve on an address other than loopback although no key protects it."
    )
    base_url: str | None = Field(
        None, description="The server's address as clients see it, behind a proxy say."
    )
    allowed_hosts: tuple[str, ...] = Field(
        (), description="Host names, besides loopback, that requests may be addressed to."
    )
    allowed_origins: tuple[str, ...] | None = Field(
        None,
        description="Origins of web pages, besides the server's own, that may use it; unset: those "
        "of this machine (`http://localhost:5173`).",
    )
    trusted_proxies: tuple[IPvAnyNetwork, ...] = Field(
        (),
        description="Addresses or networks of proxies whose `X-Forwarded-For` and "
        "`X-Forwarded-Proto` are believed; others' are ignored.",
    )
    listen: tuple[ListenEntry, ...] = Field(
        (), description="Other servers' APIs on ports of their own."
    )
    dialects: dict[str, DialectEntry] = Field(
        {}, description="Settings of other servers' APIs, by name."
    )
    enrich: EnrichEntry = Field(
        EnrichEntry(), description="Who enriches prompts; unset: built-in templates."
    )
    rate_limit: RateLimitSetting = Field(
        {},
        description='How many jobs a caller may submit through the native API: `"10/minute; '
        '100/hour"`, a table of these by tier, or `false`; unset: any number.',
    )
    images_need_key: bool = Field(
        False,
        description="Ask for a key for the bytes of images too. Otherwise whoever knows an image's "
        "name gets it, keys or not.",
    )
    allowed_folders: tuple[Path, ...] = Field(
        (),
        description="Folders outside the data folder that requests may read images from or store "
        "them in.",
    )
    generation_timeout: float = Field(
        900, gt=0, description="Seconds that a request which waits for its image may take."
    )
    cancel_on_disconnect: bool = Field(
        False,
        description="Cancel a running job when the client that waits for its image goes away; a "
        "queued one is always dropped then.",
    )
    header_timeout: float = Field(
        15, gt=0, description="Seconds until the headers of a request must be there."
    )
    body_timeout: float = Field(30, gt=0, description="Seconds that a request's body may pause.")
    data: Path | None = Field(
        None,
        description="One folder for everything: the database, `images/`, `thumbs/`, `loras/` and "
        "`models/`.",
    )
    model_folder: Path | None = Field(
        None, description="Where downloaded models are kept; unset: `models/` beside `loras/`."
    )
    plugin_folder: Path | None = Field(
        None, description="A folder with plugins of your own: `.py` files or packages."
    )
    default_model: str | None = Field(
        None, description="The model of requests that name none; unset: the first bundled one."
    )
    models: tuple[ModelEntry, ...] = Field(
        (), description="Models of your own, and changes to models that there are."
    )
    loras: tuple[LoraEntry, ...] = Field((), description="LoRAs that are to be here.")
    max_lora_bytes: int = Field(
        4 * 1024**3,
        ge=1,
        description="Most bytes of a LoRA that is downloaded; larger ones are refused.",
    )
    civitai_url: str = Field(
        "https://civitai.com",
        pattern=r"^https?://[^/\s?#@]+$",
        description="The civitai site that references are looked up on, a mirror say.",
    )
    max_downloads: int = Field(
        4, ge=1, le=32, description="Files of one model that are downloaded at a time."
    )
    allow_private_sources: bool = Field(
        False,
        description="Download also over plain http and from private addresses: a mirror in your "
        "own network. Without it nobody can make the server read what only it can reach.",
    )
    watch_loras: bool = Field(
        True,
        description="Notice new, changed and deleted LoRA files at once; otherwise when the server "
        "starts and on `POST /api/loras/rescan`.",
    )
    on_start: Literal["run", "pause"] = Field(
        "run", description="`pause` accepts jobs and runs none until the queue is resumed."
    )
    preload: bool = Field(
        True, description="Load the current model at start instead of with the first job."
    )
    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|mps|(cuda|xpu)(:\d+)?)$",
        description="The worker's device: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`, `xpu`.",
    )
    offload: Offload = Field(
        "auto",
        description="Where weights stay while images are made: `none` on the device, `model` one "
        "component at a time there, `group` blocks of them, `sequential` single layers; `auto` "
        "takes the fastest that fits.",
    )
    model_memory: int | None = Field(
        None,
        ge=0,
        description="Most bytes of memory for the weights of all loaded models, on the device and "
        "in RAM together; one alone may take more. Unset: as much as is free.",
    )
    max_loras: int = Field(
        MAX_LORAS, ge=1, le=64, description="LoRAs of one request; more are refused (422)."
    )
    lora_memory: int = Field(
        2 * 1024**3,
        ge=0,
        description="Most bytes of LoRA files that stay in memory with each loaded model for jobs "
        "to come, beyond those of the running job.",
    )
    executor: Literal["process", "inline"] = Field(
        "process",
        description="Where jobs run: a worker process, or (for tests) a thread of the server.",
    )
    preview_interval: float = Field(
        0.15,
        description="Least seconds between two previews of a job; 0 after every step; "
        "negative: no previews.",
    )
    keep_alive: float = Field(
        600,
        description="Seconds an idle worker process stays, which keeps the model in memory; "
        "0 ends it after each job; negative: it stays.",
    )
    max_queued: int = Field(1000, ge=1, description="Jobs that may wait; more are refused (503).")
    keep_jobs: int | None = Field(
        None, ge=0, description="Ended jobs kept in the history; unset: all."
    )
    keep_images: int | None = Field(
        None, ge=0, description="Images kept in the gallery, the newest; unset: all."
    )
    max_body_bytes: int = Field(
        32 * 1024 * 1024,
        ge=1024,
        description="Largest request body in bytes; larger ones get 413.",
    )
    max_image_pixels: int = Field(
        40_000_000, ge=4096, description="Pixels that an image given with a request may have."
    )
    max_streams: int = Field(
        2000, ge=1, description="SSE streams open at once; more are refused (503)."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="How much the server writes to its log (standard error)."
    )

    @model_validator(mode="after")
    def _models_are_sound(self) -> Self:
        faults = "\n".join(faults_of(self.models, self.offload, self.device))
        if faults:
            raise PydanticCustomError("models", "{text}", {"text": faults})
        return self

    @model_validator(mode="after")
    def _loras_are_sound(self) -> Self:
        faults = "\n".join(lora_entry.faults_of(self.loras))
        if faults:
            raise PydanticCustomError("loras", "{text}", {"text": faults})
        return self

    @model_validator(mode="after")
    def _listeners_are_sound(self) -> Self:
        faults = "\n".join(dialect_entry.faults_of(self.listen, self.port))
        if faults:
            raise PydanticCustomError("listen", "{text}", {"text": faults})
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Command line over environment over file (see `load_settings`)."""
        return (init_settings, env_settings, _FileSource(settings_cls))

    @property
    def folders(self) -> Folders:
        """Where the files lie."""
        return Folders.of(self.data, self.model_folder)


def load_settings(config: Path | None = None, **overrides: Any) -> Settings:
    """Read the settings.

    Args:
        config: the configuration file; None takes `darkroom.toml` of the current folder, if any.
        overrides: settings from the command line; None counts as absent.

    Raises:
        ConfigurationError: an unknown setting (with the nearest known name), a value out of
            range, or a file that cannot be read.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    token = _file_values.set(settings_file.read(config))
    try:
        return Settings(**given)
    except ValidationError as error:
        origins = Given(given, _file_values.get(), config, Settings)
        problems = [origins.problem(item) for item in error.errors()]
        raise ConfigurationError(f"The settings cannot be used: {summary(problems)}") from error
    except SettingsError as error:
        # A list is given to the environment as JSON; `error` names the field.
        raise ConfigurationError(
            f"The settings cannot be used: {error}. Write a list as JSON, "
            f"""{PREFIX}ALLOWED_HOSTS='["images.example.org"]' say."""
        ) from error
    finally:
        _file_values.reset(token)


class _FileSource(InitSettingsSource):
    """The values of the configuration file, below the environment's."""

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        super().__init__(settings_cls, init_kwargs=dict(_file_values.get()))
