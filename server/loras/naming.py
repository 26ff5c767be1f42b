"""The ids of LoRAs."""

from __future__ import annotations

import re

from server.loras.hashes import Hashes

#: Where a file's name says which version of civitai's it is: `civitai_1963644`, or an AIR URN
#: whose signs no file name may have, `urn-air-ECOSYSTEM-lora-civitai-1377820@1963644` say.
_VERSION = re.compile(
    r"(?<![a-z0-9])(?:air[:_-][a-z0-9]+[:_-]lora[:_-]civitai[:_-](?P<model>[0-9]{1,15})[@_-]"
    r"(?P<of_model>[0-9]{1,15})|civitai[_-](?P<alone>[0-9]{1,15}))(?![0-9a-z])",
    re.IGNORECASE,
)

#: Digits of AutoV3 in an id.
_DIGITS = 12

#: An id or another name that holds a number of civitai's.
_NUMBERED = re.compile(r"civitai_([0-9]{1,15})")


def local_id(hashes: Hashes) -> str:
    """The id that a file has by its own contents."""
    return f"local_{hashes.autov3[:_DIGITS]}"


def civitai_id(version: int) -> str:
    """The id of a version on civitai."""
    return f"civitai_{version}"


def number_in(name: str) -> int | None:
    """The number in a name like `civitai_1963644`; None for other names."""
    found = _NUMBERED.fullmatch(name)
    return None if found is None else int(found[1])


def numbers_in_file_name(stem: str) -> tuple[int | None, int | None]:
    """Civitai's numbers of the model and the version that a file name says, None what it does
    not."""
    found = _VERSION.search(stem)
    if found is None:
        return None, None
    if found["alone"] is not None:
        return None, int(found["alone"])
    return int(found["model"]), int(found["of_model"])
