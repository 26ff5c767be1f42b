"""What several test modules need: the plugins of the tests, and folders made of them."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TESTS = Path(__file__).parent

#: A plugin folder with the torch-free family `colours` alone.
PLUGINS = TESTS / "plugins"
COLOURS = PLUGINS / "colours.py"
WATERMARK = TESTS / "plugins_wrapping" / "watermark.py"
GALLERY = TESTS / "plugins_gallery"


def fill_folder(folder: Path, *plugins: Path) -> Path:
    """A plugin folder with copies of these plugins."""
    folder.mkdir(parents=True, exist_ok=True)
    for plugin in plugins:
        shutil.copy(plugin, folder)
    return folder


@contextmanager
def forgotten_imports() -> Iterator[None]:
    """Forget afterwards the modules imported meanwhile, and what was appended to `sys.path`:
    plugin folders of other tests hold modules of the same names."""
    path, modules = sys.path.copy(), set(sys.modules)
    yield
    for name in sys.modules.keys() - modules:
        file = getattr(sys.modules[name], "__file__", None)
        if file and not any(Path(file).is_relative_to(entry) for entry in path if entry):
            del sys.modules[name]
    sys.path[:] = path
