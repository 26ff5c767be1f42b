"""LoRAs that are nowhere but in memory, for tests of what requests make of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from server.lora_errors import LoraNotFound
from server.loras.record import LoraRecord


def record(lora_id: str, stem: str, **words: Any) -> LoraRecord:
    """A LoRA of the file `stem`.safetensors; its hashes are made of the name."""
    path = Path("/loras") / f"{stem}.safetensors"
    digest = hashlib.sha256(stem.encode()).hexdigest()
    given: dict[str, Any] = {
        "aliases": (path.name, stem),
        "name": stem,
        "title": stem,
        "family": "sdxl",
        "network_type": "lora",
        **words,
    }
    return LoraRecord(
        id=lora_id, path=path, sha256=digest, autov2=digest[:10], autov3=digest, size=1, **given
    )


class Shelf:
    """A lookup of these LoRAs."""

    def __init__(self, records: Iterable[LoraRecord]) -> None:
        self._records = list(records)

    def find(self, name: str) -> LoraRecord:
        """By id or alias.

        Raises:
            LoraNotFound: none or several have the name.
        """
        found = [record for record in self._records if name in (record.id, *record.aliases)]
        if len(found) == 1:
            return found[0]
        ids = " and ".join(record.id for record in found)
        raise LoraNotFound(f"{name!r} may be {ids}." if found else f"There is no LoRA {name!r}.")

    def usable(self, family: str) -> list[LoraRecord]:
        """Those of a family."""
        return [
            record
            for record in self._records
            if record.family == family and record.unsupported is None
        ]
