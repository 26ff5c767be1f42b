"""The table `[enrich]`: what is no server is refused when the configuration is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.config import load_settings
from server.errors import ConfigurationError


def table(folder: Path, text: str) -> Path:
    file = folder / "darkroom.toml"
    file.write_text(f"[enrich]\n{text}\n", encoding="utf-8")
    return file


def test_a_server_its_model_and_its_key(tmp_path: Path) -> None:
    given = 'base_url = "https://[::1]:8080/v1"\nmodel = "writer"\napi_key = "secret"\ntimeout = 5'
    entry = load_settings(table(tmp_path, given)).enrich
    assert (entry.base_url, entry.model, entry.timeout) == ("https://[::1]:8080/v1", "writer", 5)
    assert entry.api_key is not None and entry.api_key.get_secret_value() == "secret"
    assert "secret" not in repr(entry)


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:11434/v1",
        "ftp://127.0.0.1/v1",
        "http:///v1",
        "http://127.0.0.1:99999/v1",
        "http://127.0.0.1:0/v1",
        "http://[/v1",
        "http://user:password@127.0.0.1/v1",
        "http://127.0.0.1/v1?key=secret",
    ],
)
def test_what_is_no_address_of_a_server(tmp_path: Path, url: str) -> None:
    given = f'base_url = "{url}"\nmodel = "writer"'
    with pytest.raises(ConfigurationError, match=r"enrich\.base_url"):
        load_settings(table(tmp_path, given))


@pytest.mark.parametrize("given", ['model = "writer"', 'base_url = "http://127.0.0.1/v1"'])
def test_a_server_and_its_model_belong_together(tmp_path: Path, given: str) -> None:
    with pytest.raises(ConfigurationError, match="belong together"):
        load_settings(table(tmp_path, given))
