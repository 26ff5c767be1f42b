"""The LoRAs at one moment: found by any of their names, searched, paged. It never changes."""

from __future__ import annotations

import base64
import binascii
import bisect
import difflib
import heapq
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from server.errors import InvalidParameters
from server.lora_errors import LoraNotFound
from server.loras.assembly import Lora
from server.loras.naming import number_in
from server.loras.record import LoraRecord
from server.wording import shortened

#: How many names a message proposes.
_PROPOSED = 3

#: How many names are compared for that, those of the nearest lengths: each takes a while.
COMPARED = 2000

#: Longer names are nobody's; looking for the nearest would take their length squared.
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class LoraPage:
    """LoRAs by name. `total` counts all that match; `next_cursor` is None at the end."""

    loras: list[LoraRecord]
    total: int
    next_cursor: str | None


class LoraIndex:
    """All LoRAs, with every name of theirs."""

    def __init__(self, loras: Iterable[Lora] = ()) -> None:
        self.loras = sorted(loras, key=lambda lora: _position(lora.record))
        self._positions = [_position(lora.record) for lora in self.loras]
        self._by_id = {lora.record.id: lora for lora in self.loras}
        self._by_name: defaultdict[str, dict[str, Lora]] = defaultdict(dict)
        for lora in self.loras:
            for name in (*lora.record.aliases, lora.record.name):
                self._by_name[name.casefold()][lora.record.id] = lora
        self._by_former_id: defaultdict[str, list[Lora]] = defaultdict(list)
        for lora in self.loras:
            for name in lora.ids - self._by_id.keys():
                self._by_former_id[name].append(lora)
        self._by_contents = {lora.record.autov3: lora for lora in self.loras}
        self._by_path = {copy.path: lora for lora in self.loras for copy in lora.copies}

    def find(self, name: str) -> Lora:
        """The LoRA with this id, else the only one that had it, else the only one of this model of
        civitai's, else the only one with this file name, path or name, in capitals or not.

        Raises:
            LoraNotFound: there is none, or several; the message names the nearest, or all.
        """
        found = self._by_id.get(name)
        if found is not None:
            return found
        matches = self._by_former_id.get(name) or self._of_model(name) or self._named(name)
        if len(matches) == 1:
            return matches[0]
        raise LoraNotFound(_several(name, matches) if matches else self._none(name))

    def recipe_ids(self, name: str) -> tuple[str, ...]:
        """What recipes may call the LoRA of this name: its id is among them.

        Raises:
            LoraNotFound: see `find`.
        """
        wanted = self.find(name).record
        return tuple(told for told, record in self.by_recipe_id().items() if record is wanted)

    def by_recipe_id(self) -> dict[str, LoraRecord]:
        """The LoRAs by what recipes may call them: their ids, and those that they had before more
        was known of them. A name that is now the id of another LoRA means that one."""
        records = [lora.record for lora in self.loras]
        former = {alias: record for record in records for alias in record.aliases}
        return former | {record.id: record for record in records}

    def of_contents(self, autov3: str) -> Lora | None:
        """The LoRA with these tensors."""
        return self._by_contents.get(autov3)

    def at(self, path: Path) -> Lora | None:
        """The LoRA that a file holds."""
        return self._by_path.get(path)

    def page(
        self,
        *,
        q: str | None,
        families: Collection[str] | None,
        limit: int,
        offset: int = 0,
        cursor: str | None = None,
    ) -> LoraPage:
        """LoRAs by name, after `cursor` (a page's `next_cursor`) or from `offset`.

        Args:
            q: words that all occur in its names, its trigger words, its base model or its family.
            families: only those of each of these; None: those without a family too.

        Raises:
            InvalidParameters: `cursor` is none of ours.
        """
        words = (q or "").casefold().split()
        begin = 0 if cursor is None else bisect.bisect_right(self._positions, _read(cursor))
        matching = [
            (number, lora.record)
            for number, lora in enumerate(self.loras)
            if _is_of(lora.record, families) and _has(lora.record, words)
        ]
        rest = [record for number, record in matching if number >= begin][offset:]
        more = len(rest) > limit
        return LoraPage(rest[:limit], len(matching), _cursor(rest[limit - 1]) if more else None)

    def _of_model(self, name: str) -> list[Lora]:
        """Those of a model of civitai's."""
        model = number_in(name)
        return [lora for lora in self.loras if model is not None and lora.numbers[0] == model]

    def _named(self, name: str) -> list[Lora]:
        """Those with a file or a name of this name; where capitals tell them apart, they do, and a
        file's name counts before what somebody called another one."""
        found = list(self._by_name.get(name.casefold(), {}).values())
        files = [lora for lora in found if name in lora.record.aliases]
        named = [lora for lora in found if name == lora.record.name]
        return files or named or found

    def _none(self, name: str) -> str:
        near: list[str] = []
        if len(name) <= _LONGEST_NAME:
            known = heapq.nsmallest(
                COMPARED,
                {*self._by_id, *self._by_name},
                key=lambda word: (abs(len(word) - len(name)), word),
            )
            near = difflib.get_close_matches(name.casefold(), known, n=_PROPOSED)
        names = " or ".join(f"`{word}`" for word in near)
        hint = f"; did you mean {names}?" if near else "."
        return f"There is no LoRA {shortened(name)!r}{hint}"


def _several(name: str, loras: Iterable[Lora]) -> str:
    ids = ", ".join(f"`{lora.record.id}` ({lora.record.filename})" for lora in loras)
    return f"{shortened(name)!r} may be several LoRAs: write the id of one, {ids}."


def _has(record: LoraRecord, words: Iterable[str]) -> bool:
    texts = (record.id, record.name, record.title, record.base_model or "", record.family or "")
    known = "\n".join((*texts, *record.aliases, *record.trigger_words)).casefold()
    return all(word in known for word in words)


def _is_of(record: LoraRecord, families: Collection[str] | None) -> bool:
    return families is None or all(record.family == family for family in families)


def _position(record: LoraRecord) -> tuple[str, str]:
    return record.name.casefold(), record.id


def _cursor(record: LoraRecord) -> str:
    name, lora_id = _position(record)
    return base64.urlsafe_b64encode(f"{lora_id}\n{name}".encode()).decode().rstrip("=")


def _read(cursor: str) -> tuple[str, str]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        lora_id, name = (
            base64.b64decode(padded, altchars=b"-_", validate=True).decode().split("\n", 1)
        )
    except (binascii.Error, ValueError):
        problem = {"loc": ["cursor"], "msg": "is not a page's next_cursor", "type": "cursor"}
        raise InvalidParameters([problem]) from None
    return name, lora_id
