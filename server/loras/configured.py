"""The LoRAs that the configuration names: what it says of each, and which are missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from server.errors import ConfigurationError, MalformedReference
from server.lora_entry import LoraEntry
from server.loras.facts import Facts
from server.loras.record import LoraRecord
from server.loras.references import LoraReference, Number, name_of, read
from server.sources.kinds import Civitai, Hub, Local
from server.sources.sites import CIVITAI_URL
from server.wording import shown


@dataclass(frozen=True, slots=True)
class Configured:
    """An entry of the configuration. `reference` is what its `ref` means."""

    entry: LoraEntry
    reference: LoraReference

    def means(
        self, path: Path, model_id: int | None, version_id: int | None, source: str | None
    ) -> bool:
        """Whether this file is the entry's LoRA; see `LoraRecord` for the words.

        An entry that names a model of civitai means any version of it.
        """
        match self.reference:
            case Number(number):
                return number in (version_id, model_id)
            case Civitai(version=int(version)):
                return version == version_id
            case Civitai(model):
                return model == model_id
            case Local(place) if place in (path, path.resolve()):
                return True
        name = name_of(self.reference)
        inside = isinstance(self.reference, Hub) and (source or "").startswith(f"{name}/")
        return source == name or inside

    def means_record(self, record: LoraRecord) -> bool:
        """Whether a record is of the entry's LoRA."""
        return self.means(record.path, record.model_id, record.version_id, record.source)

    @property
    def facts(self) -> Facts:
        """What the entry says of its LoRA."""
        entry = self.entry
        return Facts(
            trigger_words=entry.triggers, weight=entry.weight, trigger_weight=entry.trigger_weight
        )


def configured(
    entries: Iterable[LoraEntry], civitai_url: str = CIVITAI_URL
) -> tuple[Configured, ...]:
    """The configuration's entries with their references read.

    Args:
        entries: the setting `loras`.
        civitai_url: the setting of this name.

    Raises:
        ConfigurationError: a reference cannot be understood; the message names its entry.
    """
    return tuple(Configured(entry, _reference(entry, civitai_url)) for entry in entries)


def missing(entries: Iterable[Configured], records: Sequence[LoraRecord]) -> list[LoraReference]:
    """What the entries name and no record is of."""
    return [entry.reference for entry in entries if not any(map(entry.means_record, records))]


def _reference(entry: LoraEntry, civitai_url: str) -> LoraReference:
    try:
        return read(entry.ref, civitai_url)
    except MalformedReference as error:
        raise ConfigurationError(f"[[loras]] {shown(entry.ref)}: {error.message}") from error
