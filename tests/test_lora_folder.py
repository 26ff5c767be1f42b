"""A LoRA that is put into the folder while a real server runs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.servers import PATIENCE, ServerProcess
from tests.support import TESTS

BUNDLED = TESTS.parent / "model_plugins" / "postcard" / "loras"


def planned(server: ServerProcess, lora: str) -> dict[str, Any] | None:
    """What a request with this LoRA would run; None: it is refused."""
    body = {"model": "postcard", "prompt": "a lake", "loras": [{"id": lora}]}
    answer = server.client.post("/api/generate?dry_run=true", json=body)
    return answer.json() if answer.status_code == 200 else None


def test_a_file_is_usable_soon_after_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DARKROOM_PRELOAD", "false")
    with ServerProcess(tmp_path / "data") as server:
        names = [lora["filename"] for lora in server.get("/api/info?model=postcard")["loras"]]
        assert names == ["inkwash.safetensors", "neon.safetensors"], "those of the family"
        assert planned(server, "civitai_7") is None
        path = tmp_path / "data" / "loras" / "civitai_7.safetensors"
        content = (BUNDLED / "neon.safetensors").read_bytes()[:-8] + bytes(8)
        path.write_bytes(content[:-1000])
        time.sleep(1)
        assert planned(server, "civitai_7") is None, "a half-copied file is nobody's"
        path.write_bytes(content)
        deadline = time.monotonic() + PATIENCE
        while (plan := planned(server, "civitai_7")) is None:
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.05)
        assert [lora["id"] for lora in plan["params"]["loras"]] == ["civitai_7"]
        usable = [lora["id"] for lora in server.get("/api/info?model=postcard")["loras"]]
        assert "civitai_7" in usable, "and nobody had to ask for a look"
        path.unlink()
        while planned(server, "civitai_7") is not None:
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.05)
