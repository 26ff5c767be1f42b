"""From files and what is known of them to records: one for each LoRA, however many copies there
are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path, PurePosixPath

from server.loras.configured import Configured, Origin
from server.loras.facts import Facts, merged
from server.loras.hashes import hashes
from server.loras.naming import civitai_id, local_id, numbers_in_file_name
from server.loras.recognition import Recognition
from server.loras.record import LoraRecord
from server.loras.scanner import Folder, Stamp
from server.loras.sidecars import preview_of
from server.loras.store import StoredFacts, StoredFile


@dataclass(frozen=True)
class Copy:
    """A file, and where it is."""

    stored: StoredFile
    folder: Folder

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.folder.path / self.name

    @property
    def name(self) -> str:
        """Its path relative to its folder."""
        return self.stored.key[1]

    @property
    def sidecars(self) -> frozenset[str]:
        """What ends the names of the files beside it."""
        return frozenset(self.stored.sidecars)

    def is_unchanged(self) -> bool:
        """Whether the file is there with the contents that are known. Blocks, and for as long as
        reading it takes if anything about it looks new."""
        try:
            if Stamp.of(self.path.stat()) == self.stored.stamp:
                return True
            return (
                self.path.is_file()
                and hashes(self.path, header=0).sha256 == self.stored.hashes.sha256
            )
        except OSError:
            return False


@dataclass(frozen=True)
class Lora:
    """A LoRA: its record, and the files that hold it, of which the first is used.

    Attributes:
        record: what is known of it.
        copies: its files.
        numbers: civitai's of the model and the version.
        ids: those that it has had, besides the one of its contents.
        origin: what references may name it by.
        asked: the hashes of files that civitai was asked about, or need not be.
    """

    record: LoraRecord
    copies: tuple[Copy, ...]
    numbers: tuple[int | None, int | None]
    ids: frozenset[str]
    origin: Origin
    asked: frozenset[str]

    @property
    def hashes(self) -> tuple[str, ...]:
        """The SHA256 of its files; those whose metadata somebody changed differ in it."""
        return tuple(dict.fromkeys(copy.stored.hashes.sha256 for copy in self.copies))


def assemble(
    copies: Iterable[Copy],
    known: Mapping[str, StoredFacts],
    recognition: Recognition,
    entries: Sequence[Configured] = (),
) -> list[Lora]:
    """The LoRAs that files hold.

    Args:
        copies: the files.
        known: what is known of contents, by SHA256.
        recognition: tells their families.
        entries: what the configuration says.
    """
    groups: defaultdict[str, list[Copy]] = defaultdict(list)
    # The user's own files come before those that came with a family.
    for copy in sorted(copies, key=lambda copy: (copy.folder.bundled, copy.name)):
        groups[copy.stored.hashes.autov3].append(copy)
    loras = [_lora(group, known, recognition, entries) for group in groups.values()]
    # When several claim a version, who has its id keeps it, else who was known first gets it.
    loras.sort(key=lambda lora: (_version_id(lora) not in lora.ids, _number(lora, known)))
    return list(_with_ids(loras))


def _number(lora: Lora, known: Mapping[str, StoredFacts]) -> int:
    numbers = (known[sha256].number for sha256 in lora.hashes if sha256 in known)
    return min(numbers, default=1 << 62)


def _version_id(lora: Lora) -> str | None:
    version = lora.numbers[1]
    return None if version is None else civitai_id(version)


def _with_ids(loras: Iterable[Lora]) -> Iterator[Lora]:
    taken: dict[str, Lora] = {}
    for lora in loras:
        wanted = _version_id(lora)
        taken[lora.record.id if wanted is None or wanted in taken else wanted] = lora
    for new_id, lora in taken.items():
        record = lora.record
        others = [name for name in (record.id, *sorted(lora.ids)) if name not in taken]
        aliases = tuple(dict.fromkeys((*record.aliases, *others)))
        yield replace(lora, record=replace(record, id=new_id, aliases=aliases))


def _lora(
    copies: Sequence[Copy],
    known: Mapping[str, StoredFacts],
    recognition: Recognition,
    entries: Sequence[Configured],
) -> Lora:
    first = copies[0]
    stored, digests = first.stored, first.stored.hashes
    of_contents = [
        known[sha256]
        for sha256 in dict.fromkeys(copy.stored.hashes.sha256 for copy in copies)
        if sha256 in known
    ]
    edits = [Facts.from_json(facts.edits) for facts in of_contents]
    sidecars = [facts for copy in copies for facts in copy.stored.told]
    civitai = [facts.civitai for facts in of_contents if facts.civitai is not None]
    sources = [*sidecars, *civitai, *stored.examined.facts]
    told, user = merged(sources), merged(edits)
    numbers = _numbers(copies, civitai, sidecars, of_contents)
    references = frozenset(name for facts in of_contents for name in facts.references)
    origin = Origin(first.path, *numbers, told.source, references)
    own = [entry.facts for entry in entries if entry.means(origin)]
    facts = merged((user, *own, told))
    # What came with a family is for it, whatever stands beside somebody's copy.
    came_with_one = any(copy.folder.bundled for copy in copies)
    family, unsupported = _family(stored, () if came_with_one else sources, recognition)
    stem = PurePosixPath(first.name).stem
    record = LoraRecord(
        id=local_id(digests),
        path=first.path,
        filename=first.name,
        aliases=_aliases(copies),
        name=facts.name or stem,
        title=told.title or told.name or stem,
        sha256=digests.sha256,
        autov1=digests.autov1,
        autov2=digests.autov2,
        autov3=digests.autov3,
        size=stored.stamp.size,
        trigger_words=facts.trigger_words or (),
        weight=facts.weight,
        trigger_weight=facts.trigger_weight,
        base_model=facts.base_model,
        family=family,
        unsupported=unsupported,
        network_type=stored.examined.network,
        rank=stored.examined.rank,
        width=stored.examined.widths.get(family or ""),
        alpha=facts.alpha if stored.examined.alpha is None else stored.examined.alpha,
        model_id=numbers[0],
        version_id=numbers[1],
        license=facts.license or {},
        nsfw_level=facts.nsfw_level,
        preview=_preview(copies),
        source=facts.source,
        example_prompts=facts.example_prompts or (),
        notes=facts.notes or "",
        bundled=first.folder.bundled,
    )
    ids = frozenset(lora_id for facts in of_contents for lora_id in facts.ids)
    asked = frozenset(facts.sha256 for facts in of_contents if facts.asked)
    return Lora(record, tuple(copies), numbers, ids, origin, asked)


def _numbers(
    copies: Iterable[Copy],
    civitai: Iterable[Facts],
    sidecars: Iterable[Facts],
    known: Iterable[StoredFacts],
) -> tuple[int | None, int | None]:
    """Civitai's numbers of the model and the version: as civitai says of the hash, else as the
    files beside it say, its name, or any of these said before."""
    pairs = chain(
        ((facts.model_id, facts.version_id) for facts in chain(civitai, sidecars)),
        (numbers_in_file_name(PurePosixPath(copy.name).stem) for copy in copies),
        ((facts.model_id, facts.version_id) for facts in known),
    )
    found = [pair for pair in pairs if pair[1] is not None]
    if not found:
        return None, None
    version = found[0][1]
    models = (model for model, of_version in found if of_version == version and model is not None)
    return next(models, None), version


def _family(
    stored: StoredFile, sources: Iterable[Facts], recognition: Recognition
) -> tuple[str | None, str | None]:
    """The family of a file, or else why no model can use it."""
    if stored.examined.fault is not None:
        return None, stored.examined.fault
    base_models = (facts.base_model for facts in sources)
    return recognition.decide(
        stored.examined.claims, [name for name in base_models if name is not None]
    )


def _preview(copies: Iterable[Copy]) -> Path | None:
    found = (preview_of(copy.path, copy.sidecars) for copy in copies)
    return next((path for path in found if path is not None), None)


def _aliases(copies: Iterable[Copy]) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for copy in copies:
        path = PurePosixPath(copy.name)
        names |= dict.fromkeys((path.stem, path.name, str(path.with_suffix("")), str(path)))
    return tuple(names)
