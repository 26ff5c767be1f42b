"""A plugin folder with the dialect of the guide."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dialects.camera import plugin_folder


@pytest.fixture(scope="session")
def camera_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The guide's dialect and the instant family; one folder, since modules are imported once."""
    return plugin_folder(tmp_path_factory.mktemp("plugins"))
