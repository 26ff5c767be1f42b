"""Which file names say what a file is on civitai."""

from __future__ import annotations

import pytest

from server.loras.hashes import Hashes
from server.loras.naming import local_id, number_in, numbers_in_file_name


@pytest.mark.parametrize(
    ("stem", "numbers"),
    [
        ("civitai_1963644", (None, 1963644)),
        ("ink_civitai-1963644", (None, 1963644)),
        ("Ink (Civitai_7) v2", (None, 7)),
        ("urn-air-sdxl-lora-civitai-1377820@1963644", (1377820, 1963644)),
        ("urn_air_flux1_lora_civitai_5-6", (5, 6)),
        ("1963644", (None, None)),
        ("ink_1963644", (None, None)),
        ("civitai", (None, None)),
        ("civitai_12ab", (None, None)),
        ("notcivitai_12", (None, None)),
        ("civitai_9999999999999999", (None, None)),
        ("civitai_٣", (None, None)),
    ],
)
def test_numbers_in_file_names(stem: str, numbers: tuple[int | None, int | None]) -> None:
    assert numbers_in_file_name(stem) == numbers


def test_ids() -> None:
    assert local_id(Hashes("a" * 64, None, "0123456789abcdef" * 4)) == "local_0123456789ab"
    assert number_in("civitai_12") == 12
    assert [number_in(name) for name in ("civitai-12", "civitai_", "local_12", "")] == [None] * 4
