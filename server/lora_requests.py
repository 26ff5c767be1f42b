"""The LoRAs of a request: checked, and complete before the job is queued.

A request names them in `loras` or, where the model's prompts take weights, as `<lora:…>` in the
prompt. What comes out has their ids, every weight, and the prompt as it is to be encoded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from server.catalog import Resolved
from server.errors import InvalidParameters
from server.generation import MAX_ENCODED_PROMPT, LoraParams, LoraRef
from server.lora_choices import LoraChoices, Refusal, shown
from server.lora_tags import LoraTag, take_out
from server.loras.record import LoraRecord
from server.trigger_words import Trigger, extended, lacking
from server.wording import shortened

#: What acts where neither the request nor what is known of the LoRA says how strongly.
WEIGHT, TRIGGER_WEIGHT = 1.0, 0.5

#: What the numbers of a tag are, in their order.
_NUMBERS = ("weight", "trigger_weight")
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)", re.ASCII)

#: A place in a request.
_Place = list[str | int]


@dataclass(frozen=True, slots=True)
class _Picked:
    """A LoRA that a request names, and how strongly it is to act."""

    record: LoraRecord
    ref: LoraRef

    def triggers(self) -> list[Trigger]:
        """Its trigger words. A LoRA without effect has none either."""
        weight = self.ref.trigger_weight if self.ref.weight else 0.0
        return [Trigger(phrase, weight or 0.0) for phrase in self.record.trigger_words]


@dataclass
class _Findings:
    """What a request comes to, as far as it has been read; LoRAs by id."""

    warnings: list[str]
    picked: dict[str, _Picked] = field(default_factory=dict)
    problems: list[dict[str, Any]] = field(default_factory=list)

    def take(self, found: LoraRecord | Refusal, ref: LoraRef, place: _Place) -> None:
        """Note what a name has led to."""
        if isinstance(found, Refusal):
            self.refuse(place, found.kind, found.text)
        elif found.id in self.picked:
            text = f"{shortened(ref.id)} is {shown(found)}, which this request names already"
            self.refuse(place, "lora_duplicate", text)
        else:
            self.picked[found.id] = _Picked(found, ref)

    def note_twin(self, tag: LoraTag, ref: LoraRef, twin: _Picked) -> None:
        """Note a tag for a LoRA of the list, which counts; that needs words if they differ."""
        own, listed = (ref.weight, ref.trigger_weight), (twin.ref.weight, twin.ref.trigger_weight)
        if any(mine not in (None, theirs) for mine, theirs in zip(own, listed, strict=True)):
            self.warnings.append(
                f"{shortened(str(tag))} was not read: `loras` names {twin.record.id} too, and "
                "that counts."
            )

    def refuse(self, place: _Place, kind: str, text: str) -> None:
        """Note a problem."""
        self.problems.append({"loc": place, "msg": text, "type": kind})

    def raise_problems(self) -> None:
        """
        Raises:
            InvalidParameters: there are any.
        """
        if self.problems:
            raise InvalidParameters(self.problems)


class LoraRequests:
    """Completes requests with what is known of LoRAs."""

    def __init__(self, choices: LoraChoices, limit: int) -> None:
        """`limit`: how many LoRAs a request may have."""
        self._choices = choices
        self._limit = limit

    def complete(self, resolved: Resolved) -> Resolved:
        """The request with its LoRAs checked and complete: ids, weights, `encoded_prompt`.

        Raises:
            InvalidParameters: a LoRA is unknown, ambiguous, named twice, or nothing that this model
                can use, or there are too many; with the problem of each, and what would work.
        """
        params, warnings = resolved.params, list(resolved.warnings)
        is_weighted = _takes_tags(resolved)
        if not is_weighted and take_out(params.prompt)[1]:
            warnings.append(_words_only(resolved))
        if not isinstance(params, LoraParams):
            return replace(resolved, warnings=tuple(warnings))
        text, tags = take_out(params.prompt) if is_weighted else (params.prompt, [])
        findings = _Findings(warnings)
        self._read_list(resolved, params.loras, findings)
        self._read_tags(resolved, tags, findings)
        findings.raise_problems()
        loras = [_completed(picked, findings) for picked in findings.picked.values()]
        changes: dict[str, Any] = {"loras": [picked.ref for picked in loras]}
        changes["encoded_prompt"] = (
            _encoded(text, loras, findings, weighted=is_weighted) if loras or tags else None
        )
        if is_weighted:
            changes |= _without_tags(params, findings)
        params = params.model_copy(update=changes)
        return replace(resolved, params=params, warnings=tuple(warnings))

    def _read_list(self, resolved: Resolved, refs: Sequence[LoraRef], findings: _Findings) -> None:
        if len(refs) > self._limit:
            findings.refuse(["loras", self._limit, "id"], "too_many_loras", self._too_many)
            findings.raise_problems()
        for position, ref in enumerate(refs):
            found = self._choices.choose(ref.id, resolved.family, resolved.card)
            findings.take(found, ref, ["loras", position, "id"])

    def _read_tags(self, resolved: Resolved, tags: Sequence[LoraTag], findings: _Findings) -> None:
        if len(tags) > self._limit:
            findings.refuse(["prompt"], "too_many_loras", self._too_many)
            findings.raise_problems()
        listed = dict(findings.picked)
        for tag in tags:
            try:
                ref = _ref_of(tag)
            except ValueError as error:
                findings.refuse(["prompt"], "lora_tag", f"{shortened(str(tag))}: {error}")
                continue
            found = self._choices.choose(ref.id, resolved.family, resolved.card)
            # A recipe names its LoRAs in both places, and can be sent again.
            if isinstance(found, LoraRecord) and found.id in listed:
                findings.note_twin(tag, ref, listed[found.id])
            else:
                findings.take(found, ref, ["prompt"])
        if len(findings.picked) > self._limit:
            findings.refuse(["prompt"], "too_many_loras", self._too_many)

    @property
    def _too_many(self) -> str:
        return f"a request may have {self._limit} LoRAs (`max_loras`)"


def _takes_tags(resolved: Resolved) -> bool:
    support = resolved.family.loras
    is_weighted = support is not None and support.weighted_prompts
    return is_weighted and isinstance(resolved.params, LoraParams)


def _words_only(resolved: Resolved) -> str:
    takes_loras = isinstance(resolved.params, LoraParams)
    way = "name LoRAs in `loras`" if takes_loras else "it takes no LoRAs"
    return f"{resolved.card.id} reads `<lora:…>` in a prompt as words: {way}."


def _ref_of(tag: LoraTag) -> LoraRef:
    """
    Raises:
        ValueError: it has no name, or its numbers are none, too many, or out of range.
    """
    if len(tag.numbers) > len(_NUMBERS):
        raise ValueError("write <lora:NAME:WEIGHT> or <lora:NAME:WEIGHT:TRIGGER_WEIGHT>")
    values: dict[str, Any] = {"id": tag.name}
    for word, number in zip(_NUMBERS, tag.numbers, strict=False):
        if not _NUMBER.fullmatch(number):
            raise ValueError(f"{word} is a decimal number, not {shortened(number)!r}")
        values[word] = float(number)
    try:
        return LoraRef.model_validate(values)
    except ValidationError as error:
        problem = error.errors()[0]
        raise ValueError(f"{problem['loc'][0]}: {problem['msg']}") from None


def _completed(picked: _Picked, findings: _Findings) -> _Picked:
    """With every weight, and nothing that only answers have but what is known already."""
    record, ref = picked.record, picked.ref
    weight = _first(ref.weight, record.weight, WEIGHT)
    if weight == 0:
        findings.warnings.append(
            f"{shown(record)} has weight 0: neither it nor its trigger words have any effect."
        )
    complete = LoraRef(
        id=record.id,
        weight=weight,
        trigger_weight=_first(ref.trigger_weight, record.trigger_weight, TRIGGER_WEIGHT),
        name=record.path.stem,
        autov3=record.autov3,
    )
    return _Picked(record, complete)


def _first(*values: float | None) -> float:
    return next(value for value in values if value is not None)


def _encoded(text: str, loras: Sequence[_Picked], findings: _Findings, *, weighted: bool) -> str:
    """The prompt with the trigger words that it lacks.

    Raises:
        InvalidParameters: it would be too long.
    """
    triggers = lacking((trigger for picked in loras for trigger in picked.triggers()), text)
    encoded = extended(text, triggers, weighted=weighted)
    if len(encoded) > MAX_ENCODED_PROMPT:
        findings.refuse(
            ["loras"],
            "string_too_long",
            f"with their trigger words the prompt has more than {MAX_ENCODED_PROMPT} characters: "
            "set `trigger_weight` to 0 and write those that matter into the prompt",
        )
        findings.raise_problems()
    if not weighted and any(trigger.weight != 1 for trigger in triggers):
        phrases = ", ".join(trigger.phrase for trigger in triggers if trigger.weight != 1)
        findings.warnings.append(
            "This model's prompts have no weights: trigger words were added as plain words "
            f"({shortened(phrases)})."
        )
    return encoded


def _without_tags(params: LoraParams, findings: _Findings) -> dict[str, str]:
    """What the tags in a negative prompt change: they are taken out of it."""
    negative = getattr(params, "negative_prompt", None)
    text, tags = take_out(negative or "")
    if not tags:
        return {}
    findings.warnings.append(
        f"{shortened(str(tags[0]))} was taken out of `negative_prompt`: a LoRA changes the whole "
        "image. Name it in `loras`, with a negative weight to push away from it."
    )
    return {"negative_prompt": text}
