"""The examples of docs/how-to/write-a-model-plugin.md work as printed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from server.generation import Task
from server.plugins.manager import PluginManager, discover
from server.plugins.types import LoadContext

GUIDE = Path(__file__).parents[3] / "docs" / "how-to" / "write-a-model-plugin.md"


def blocks() -> dict[str, str]:
    """The guide's Python blocks by a word of their first line."""
    found = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    family, test, watermark = found
    return {"family": family, "test": test, "watermark": watermark}


def generated(plugins: PluginManager, folder: Path) -> Image.Image:
    """One small picture of the guide's family."""
    family, card = plugins.cards["dusk"]
    params = family.params.model_validate({"prompt": "the sea", "seed": 5, "width": 64})
    task = Task("job", card.id, family.name, params, (0,))
    pipeline = plugins.load_model(card, LoadContext(folder, "cpu", "float32"))
    (image,) = plugins.generate(pipeline, task, lambda *_: None)
    return image


def test_the_family_and_the_watermark_of_the_guide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "my-plugins"
    folder.mkdir()
    (folder / "dusk.py").write_text(blocks()["family"])
    plugins = discover(folder)
    (record,) = [record for record in plugins.records() if record.name == "dusk"]
    assert (record.ok, record.version, record.warnings) == (True, "1.0", ())
    monkeypatch.chdir(tmp_path)
    test: dict[str, Any] = {}
    exec(blocks()["test"], test)
    test["test_dusk_conforms"]()
    plain = np.asarray(generated(plugins, folder))
    assert plain.shape == (256, 64, 3)
    assert plain.std() > 10

    (folder / "white_square.py").write_text(blocks()["watermark"])
    assert "white_square" in [record.name for record in discover(folder).records() if record.ok]
    marked = np.asarray(generated(discover(folder), folder))
    assert (marked[-8:, -8:] == 255).all()
    assert (marked[:-8] == plain[:-8]).all()
