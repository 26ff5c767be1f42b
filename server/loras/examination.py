"""What a file of weights says of itself: its header is read, and nothing behind it but a number."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from server import lora_tensors, safetensors_header
from server.loras.facts import Facts, natural, number
from server.loras.metadata import metadata_facts
from server.loras.recognition import Recognition, fault_of, network_of
from server.safetensors_header import Entry, Header
from server.sources.formats import HEAD, PICKLES, suffix

#: The longest header that is read, in bytes: the longest known are below 1 MiB, and reading one
#: of 100 MB would hold up the whole process for seconds. Downloads go by it too.
LONGEST_HEADER = 4 << 20

#: How numbers are written, by the header's word for their type.
_NUMBERS: Mapping[str, str] = {"F16": "<e", "F32": "<f", "F64": "<d"}


class NotWhole(Exception):
    """The file is still on its way here."""


@dataclass(frozen=True)
class Examined:
    """What a file says of itself.

    Attributes:
        header: bytes before its tensors; 0 where it has no header.
        fault: why no model can use it, a sentence; None where one may.
        claims: the families that recognise it.
        widths: of the published denoisers that these say it is for, where they tell them apart.
        complete: whether all families could be asked.
        network: one of `server.lora_tensors.NetworkType`; None: no LoRA.
        rank, alpha: of its matrices.
        facts: what its metadata say, the most trusted first.
    """

    header: int = 0
    fault: str | None = None
    claims: tuple[str, ...] = ()
    widths: Mapping[str, int] = field(default_factory=dict)
    complete: bool = True
    network: str | None = None
    rank: int | None = None
    alpha: float | None = None
    facts: tuple[Facts, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """What is stored: all but `header`."""
        return {
            "fault": self.fault,
            "claims": list(self.claims),
            "widths": dict(self.widths),
            "complete": self.complete,
            "network": self.network,
            "rank": self.rank,
            "alpha": self.alpha,
            "facts": [facts.to_json() for facts in self.facts],
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Examined:
        """Read what `to_json` gave."""
        facts = tuple(Facts.from_json(item) for item in data["facts"])
        return Examined(**{**data, "claims": tuple(data["claims"]), "facts": facts})


def examine(path: Path, size: int, recognition: Recognition) -> Examined:
    """Read a file's header. Blocks.

    Args:
        path: the file.
        size: its bytes.
        recognition: the families to ask.

    Raises:
        OSError: it cannot be read.
        NotWhole: it has fewer bytes than its header tells, or only a part of that.
    """
    if suffix(path.name) in PICKLES:
        return Examined(
            fault="It is a pickle, which can run any code when it is loaded, and is never used. "
            "Look for a copy as .safetensors."
        )
    fault = _beginning_fault(path, size)
    if fault is not None:
        return Examined(fault=fault)
    try:
        header = safetensors_header.read(path, LONGEST_HEADER)
    except ValueError:
        return Examined(fault="Its header cannot be read: the file is damaged.")
    if header.told_size > size:
        raise NotWhole(f"{size} of {header.told_size} bytes are there")
    if header.told_size < size:
        more = size - header.told_size
        return Examined(header.length, f"It has {more} bytes more than its header tells.")
    return _of_tensors(path, header, recognition)


def _beginning_fault(path: Path, size: int) -> str | None:
    """Why a file is no safetensors file, or has none that is read.

    Raises:
        OSError: it cannot be read.
        NotWhole: it ends before its header does, or has not been written to yet.
    """
    with path.open("rb") as stream:
        head = stream.read(HEAD)
    # Some programs make room for the whole file first.
    if len(head) < HEAD or not any(head):
        raise NotWhole("its beginning is not there yet")
    if not safetensors_header.begins_well(head):
        return (
            "It is no safetensors file, whatever its name says: a web page, an error message or a "
            "pickle, perhaps."
        )
    length = int.from_bytes(head[:8], "little")
    if size < 8 + length:
        raise NotWhole(f"{size} bytes are there, and its header has {length}")
    if length > LONGEST_HEADER:
        return f"Its header has {length:,} bytes; more than {LONGEST_HEADER:,} are not read."
    return None


def _of_tensors(path: Path, header: Header, recognition: Recognition) -> Examined:
    shapes = {name: entry.shape for name, entry in header.tensors.items()}
    tensors = lora_tensors.read(shapes)
    network = network_of(tensors)
    claims, complete = recognition.claims(shapes, header.metadata)
    widths, measured = recognition.widths(claims, shapes)
    return Examined(
        header=header.length,
        fault=fault_of(tensors, shapes),
        claims=claims,
        widths=widths,
        complete=complete and measured,
        network=None if network is None else str(network),
        rank=natural(tensors.rank),
        alpha=_alpha(path, header),
        facts=tuple(facts for facts in metadata_facts(header.metadata) if facts != Facts()),
    )


def _alpha(path: Path, header: Header) -> float | None:
    """The number in the first tensor that is an alpha; None: there is none, or it cannot be
    read."""
    entry = next(
        (tensor for name, tensor in header.tensors.items() if name.endswith(".alpha")), None
    )
    if entry is None or entry.end - entry.begin > 8:
        return None
    with path.open("rb") as stream:
        stream.seek(header.length + entry.begin)
        content = stream.read(entry.end - entry.begin)
    return number(_number(entry, content), 0, 1e6)


def _number(entry: Entry, content: bytes) -> float | None:
    if entry.dtype == "BF16" and len(content) == 2:  # the upper half of an F32
        return float(struct.unpack("<f", b"\0\0" + content)[0])
    form = _NUMBERS.get(entry.dtype)
    if form is None or len(content) != struct.calcsize(form):
        return None
    return float(struct.unpack(form, content)[0])
