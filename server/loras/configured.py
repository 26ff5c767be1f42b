"""The LoRAs that the configuration names: what it says of each, and which are missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from server.errors import ConfigurationError, MalformedReference
from server.lora_entry import LoraEntry
from server.loras.facts import Facts
from server.loras.references import LoraReference, Number, name_of, read
from server.sources.kinds import Civitai, Hub, Local
from server.sources.sites import CIVITAI_URL
from server.wording import shown


@dataclass(frozen=True, slots=True)
class Origin:
    """What references may name a LoRA by.

    Attributes:
        path: where it is.
        model_id, version_id: civitai's.
        source: where it was downloaded from, see `LoraRecord`.
        references: the names (`name_of`) of references that came to it.
    """

    path: Path
    model_id: int | None = None
    version_id: int | None = None
    source: str | None = None
    references: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Configured:
    """An entry of the configuration. `reference` is what its `ref` means, `name` its name."""

    entry: LoraEntry
    reference: LoraReference
    name: str

    def means(self, origin: Origin) -> bool:
        """Whether a file is the entry's LoRA.

        An entry that names a model of civitai means any version of it. A number is a version's,
        as long as it was not looked for and found to be a model's.
        """
        if self.name in origin.references:
            return True
        match self.reference:
            case Number(number):
                return number == origin.version_id
            case Civitai(version=int(version), file=None, filters=()):
                return version == origin.version_id
            case Civitai(model, version=None, file=None, filters=()):
                return model == origin.model_id
            case Local(place) if place in (origin.path, origin.path.resolve()):
                return True
        source = origin.source or ""
        inside = isinstance(self.reference, Hub) and source.startswith(f"{self.name}/")
        return source == self.name or inside

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
    return tuple(_configured(entry, civitai_url) for entry in entries)


def missing(entries: Iterable[Configured], origins: Sequence[Origin]) -> list[LoraReference]:
    """What the entries name and no file is.

    Args:
        entries: those of the configuration.
        origins: of the files that are here.
    """
    return [entry.reference for entry in entries if not any(map(entry.means, origins))]


def _configured(entry: LoraEntry, civitai_url: str) -> Configured:
    reference = _reference(entry, civitai_url)
    return Configured(entry, reference, name_of(reference))


def _reference(entry: LoraEntry, civitai_url: str) -> LoraReference:
    try:
        return read(entry.ref, civitai_url)
    except MalformedReference as error:
        raise ConfigurationError(f"[[loras]] {shown(entry.ref)}: {error.message}") from error
