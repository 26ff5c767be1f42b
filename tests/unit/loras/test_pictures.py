"""Which pictures beside LoRAs are shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.lora_errors import LoraPreviewNotFound
from server.loras.previews import PictureFile
from tests.unit.loras.builders import lora, registry

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0" + bytes(20), "image/jpeg"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"<svg onload='alert(1)'/>", None),
        (b"root:x:0:0", None),
        (b"", None),
    ],
)
async def test_a_picture_is_what_its_bytes_say(
    tmp_path: Path, content: bytes, media_type: str | None
) -> None:
    path = lora(tmp_path / "loras" / "x.safetensors")
    picture = path.with_name("x.preview.png")
    async with registry(tmp_path) as found:
        with pytest.raises(LoraPreviewNotFound):
            found.preview("x")
        picture.write_bytes(content)
        await found.rescan()
        assert found.find("x").preview == picture
        if media_type is None:
            with pytest.raises(LoraPreviewNotFound):
                found.preview("x")
        else:
            assert found.preview("x") == PictureFile(picture, media_type)
        picture.unlink()
        with pytest.raises(LoraPreviewNotFound):
            found.preview("x")


async def test_links_lead_only_to_what_is_among_the_loras(tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "loras"
    for seed, path in enumerate((outside / "far", folder / "own", folder / "other")):
        lora(path.with_suffix(".safetensors"), seed=seed)
    for place in (outside / "far.png", tmp_path / "secret.png", folder / "shared.png"):
        place.write_bytes(PNG)
    (folder / "link").symlink_to(outside)
    (folder / "own.png").symlink_to(tmp_path / "secret.png")
    (folder / "other.png").symlink_to(folder / "shared.png")
    async with registry(tmp_path) as found:
        assert found.preview("far").path == outside / "far.png"
        assert found.preview("other").path == folder / "shared.png"
        with pytest.raises(LoraPreviewNotFound):
            found.preview("own")
