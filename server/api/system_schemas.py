"""The shapes of answers about the server itself and its machine, like those of
`server.api.schemas`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from server.api.schemas import Shape


class Health(Shape):
    """The server is up."""

    status: Literal["ok"]
    version: str


class MemorySpace(Shape):
    """How large a memory is, and what of it is free."""

    total_bytes: int
    free_bytes: int = Field(description="What could still be taken.")


class Disk(Shape):
    """The disk that a folder lies on."""

    name: Literal["images", "models", "loras"] = Field(description="What the folder holds.")
    total_bytes: int
    free_bytes: int = Field(description="What the server may still fill.")


class ResidentModel(Shape):
    """A model in memory."""

    id: str
    bytes: int = Field(description="Of its weights; what models share counts for each.")
    state: Literal["loaded", "in_ram"] = Field(
        description="`loaded` is ready to run, `in_ram` has left the device's memory for RAM."
    )


class StreamCount(Shape):
    """How many event streams clients have open, and how many they may."""

    open: int
    max: int = Field(description="More than these are refused.")


class System(Shape):
    """The machine and what the server takes of it."""

    version: str
    started_at: str = Field(
        description="When the server started, UTC.", examples=["2026-01-21T11:56:10.123Z"]
    )
    device: str = Field(
        description="What images are made on, by torch's name; may be `auto` until a worker has "
        "chosen.",
        examples=["cuda"],
    )
    device_memory: MemorySpace | None = Field(
        description="The device's, as it was told when a model last came or went or a job ended; "
        "null while nobody has told it."
    )
    memory: MemorySpace | None = Field(
        description="The machine's, or its container's; null where the system does not tell."
    )
    storage: list[Disk] = Field(description="Without those of folders that are not there now.")
    models_resident: list[ResidentModel] = Field(description="By id.")
    streams: StreamCount
