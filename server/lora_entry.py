"""A LoRA as the configuration names it: one `[[loras]]` table of `darkroom.toml`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic import BaseModel, ConfigDict, Field

from server.generation import LoraWeight, TriggerWeight
from server.wording import shown


class LoraEntry(BaseModel):
    """A LoRA that is to be here, and what to know of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ref: str = Field(
        min_length=1,
        max_length=2000,
        description="Which LoRA: a civitai URN, the address of its page, `civitai:VERSION`, "
        "`org/name[:file]` of the Hugging Face hub, an https URL, or a file (relative to this "
        "one). It is downloaded at start where it is missing.",
    )
    triggers: tuple[str, ...] | None = Field(
        None, description="Its trigger words, a list of phrases; unset: what its source says."
    )
    weight: LoraWeight | None = Field(
        None, description="How strongly it acts where a request does not say, from −2 to 2."
    )
    trigger_weight: TriggerWeight | None = Field(
        None,
        description="How strongly its trigger words act where a request does not say, 0 to 2.",
    )


def faults_of(entries: Sequence[LoraEntry]) -> Iterator[str]:
    """What is wrong with the entries among each other, in sentences."""
    before: set[str] = set()
    for entry in entries:
        if entry.ref in before:
            name = f"[[loras]] {shown(entry.ref)}"
            yield f"{name}: another entry has this `ref`; make one of the two."
        before.add(entry.ref)
