"""A card whose source is one file of a site, its configurations taken from a repository."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from model_plugins.sdxl import BASE, ILLUSTRIOUS
from tests.fake_sources import CIVITAI_KEY, FakeSources
from tests.families import original_keys, plain_diffusers
from tests.families.jobs import PROMPT, check
from tests.families.loading import save
from tests.serving import LiveServer, live_server
from tests.support import know_hub

WORDS = {"width": 64, "height": 64, "steps": 2, "seed": 5, "cfg_scale": 6.0, "sampler": "euler"}


def contents(folder: Path) -> dict[str, bytes]:
    """A folder's files by their paths."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def made(server: LiveServer, model: str) -> Image.Image:
    """The image of a job."""
    job = server.made(PROMPT, model=model, **WORDS)
    assert (job["status"], job["warnings"]) == ("completed", []), job
    return Image.open(BytesIO(server.client.get(job["images"][0]["url"]).content))


# torch's tensors do not know numpy 2's `copy` argument yet, and schedulers convert them.
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")
@pytest.mark.usefixtures("one_thread")
def test_a_file_of_one_site_with_the_configurations_of_another(
    tiny: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny("sdxl-base")
    file = save(original_keys.sdxl(plain_diffusers.load(folder)), tmp_path / "x.safetensors")
    with FakeSources() as fake:
        fake.add_version(2514310, 827184, file.read_bytes())
        fake.add_repository(BASE.source, contents(folder))
        know_hub(fake.hub_url, tmp_path, monkeypatch)
        monkeypatch.setenv("CIVITAI_API_KEY", CIVITAI_KEY)
        models = [{"id": "local", "like": BASE.id, "source": str(folder)}]
        known = {"civitai_url": fake.civitai_url, "allow_private_sources": True}
        with live_server(tmp_path / "data", models=models, **known) as server:
            check(made(server, ILLUSTRIOUS.id), made(server, "local"))
        asked = {seen.path for seen in fake.seen if f"/{BASE.source}/resolve/" in seen.path}
    assert any(path.endswith("unet/config.json") for path in asked)
    assert any(path.endswith("tokenizer/tokenizer.json") for path in asked)
    assert not [path for path in asked if path.endswith(".safetensors")]
