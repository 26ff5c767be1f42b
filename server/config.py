"""Settings: where things lie and how the server behaves.

A setting comes from, strongest first: the command line, `DARKROOM_*` environment variables,
`darkroom.toml`, its default. Relative paths in `darkroom.toml` are relative to that file.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, Self

import platformdirs
from pydantic import BaseModel, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from server import lora_entry
from server.errors import ConfigurationError
from server.generation import MAX_LORAS
from server.lora_entry import LoraEntry
from server.model_entry import ModelEntry, Offload, faults_of, is_local
from server.wording import shown, summary

CONFIG_NAME = "darkroom.toml"
PREFIX = "DARKROOM_"

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
    allowed_origins: tuple[str, ...] = Field(
        (), description="Origins of web pages, besides the server's own, that may change things."
    )
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


#: Settings that are lists of tables, by what a table is.
_ENTRIES: Mapping[str, type[BaseModel]] = {"models": ModelEntry, "loras": LoraEntry}

#: The word of such a table that names it.
_NAMES: Mapping[str, str] = {"models": "id", "loras": "ref"}


@dataclass(frozen=True, slots=True)
class Folders:
    """The places of everything that is kept."""

    database: Path
    images: Path
    inputs: Path
    thumbs: Path
    loras: Path
    models: Path

    @classmethod
    def of(cls, data: Path | None, models: Path | None = None) -> Folders:
        """All below `data` when given; else the checkout's own; else the user's data folder.

        `models` is the folder of downloaded models when it is another than `models/` there.
        """
        folders = cls._standard(data)
        if models is None:
            return folders
        return replace(folders, models=_absolute(models))

    @classmethod
    def _standard(cls, data: Path | None) -> Folders:
        if data is not None:
            root = _absolute(data)
            return cls._below(root, root)
        repository = checkout()
        if repository is not None:
            return cls._below(repository / "data", repository)
        own = Path(platformdirs.user_data_dir("darkroom", appauthor=False))
        return cls._below(own, own)

    @classmethod
    def _below(cls, data: Path, root: Path) -> Folders:
        return cls(
            database=data / "darkroom.db",
            images=data / "images",
            inputs=data / "inputs",
            thumbs=root / "thumbs",
            loras=root / "loras",
            models=root / "models",
        )

    @property
    def all(self) -> tuple[Path, ...]:
        """Each folder that must exist."""
        return (
            *(self.database.parent, self.images, self.inputs),
            *(self.thumbs, self.loras, self.models),
        )


def checkout() -> Path | None:
    """The repository's folder when the server runs from a checkout, else None."""
    root = Path(__file__).resolve().parent.parent
    is_checkout = (root / "pyproject.toml").is_file() and (root / "model_plugins").is_dir()
    return root if is_checkout else None


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
    token = _file_values.set(_read_file(config))
    try:
        return Settings(**given)
    except ValidationError as error:
        problems = [
            {
                "loc": _place(where, given),
                "msg": _explain(dict(item)) + _origin(where, given, config),
            }
            for item in error.errors()
            for where in (item["loc"],)
        ]
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


def _read_file(config: Path | None) -> dict[str, Any]:
    path = config if config is not None else Path(CONFIG_NAME)
    if config is None and not path.is_file():
        return {}
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not valid TOML: {error}") from error
    for name in ("data", "plugin_folder", "model_folder"):
        if isinstance(values.get(name), str):
            values[name] = _absolute(values[name], path.absolute().parent)
    for name, anchor in (("models", _anchor), ("loras", _anchor_lora)):
        tables = values.get(name)
        for table in tables if isinstance(tables, list) else ():
            anchor(table, path.absolute().parent)
    return values


def _anchor(model: Any, base: Path) -> None:
    """Make the local sources of a `[[models]]` table absolute; validation comes later."""
    parts = model.get("components", {}) if isinstance(model, dict) else {}
    for table in (model, parts):
        for name, source in table.items() if isinstance(table, dict) else ():
            is_source = name in {"source", "config"} or table is parts
            if is_source and isinstance(source, str) and is_local(source, base):
                table[name] = str(_absolute(source, base))


def _anchor_lora(lora: Any, base: Path) -> None:
    """Make the local `ref` of a `[[loras]]` table absolute; validation comes later."""
    ref = lora.get("ref") if isinstance(lora, dict) else None
    if isinstance(ref, str) and is_local(ref, base):
        lora["ref"] = str(_absolute(ref, base))


def _absolute(path: str | Path, base: Path | None = None) -> Path:
    """`path` below `base` (None: the current folder), without `..`."""
    try:
        place = (base or Path.cwd()) / Path(path).expanduser()
    except RuntimeError as error:
        raise ConfigurationError(f"{path}: this machine has no such user.") from error
    # Only then: what is linked to is shown as its owner named it.
    return place.resolve() if ".." in place.parts else place


def _place(where: tuple[int | str, ...], given: Mapping[str, Any]) -> tuple[int | str, ...]:
    """`where` in people's words: an entry of a list by its name, where that can be told."""
    match where:
        case (("models" | "loras") as listed, int(position), *rest):
            variable = f"{PREFIX}{listed}".upper()
            elsewhere = listed in given or variable in map(str.upper, os.environ)
            entry = None if elsewhere else _file_values.get()[listed][position]
            name = entry.get(_NAMES[listed]) if isinstance(entry, dict) else None
            name = shown(str(name)) if name else f"number {position + 1}"
            return (": ".join([f"[[{listed}]] {name}", *map(str, rest)]),)
    return where


def _origin(where: tuple[int | str, ...], given: Mapping[str, Any], config: Path | None) -> str:
    """Where a setting at fault was made, in parentheses."""
    if not where:
        return ""
    name = str(where[0])
    variables = [key for key in os.environ if key.upper() == f"{PREFIX}{name}".upper()]
    places = ["the command line"] * (name in given) + variables + [str(config or CONFIG_NAME)]
    return f" (from {places[0]})"


def _explain(error: dict[str, Any]) -> str:
    where = error["loc"]
    listed = str(where[0]) if where else ""
    if where == (listed,) and listed in _NAMES and isinstance(error["input"], dict):
        return f"each is a table of its own: write `[[{listed}]]`, in double brackets"
    if error["type"] != "extra_forbidden":
        return str(error["msg"])
    fields = _ENTRIES.get(listed, Settings).model_fields
    near = difflib.get_close_matches(str(where[-1]), fields, n=1)
    hint = f"; did you mean `{near[0]}`?" if near else ""
    return f"there is no such setting{hint}"
