"""What several test modules need: the plugins of the tests, and folders made of them."""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).parent

#: A plugin folder with the torch-free family `colours` alone.
PLUGINS = TESTS / "plugins"
COLOURS = PLUGINS / "colours.py"
WATERMARK = TESTS / "plugins_wrapping" / "watermark.py"
#: Misbehaving plugins, a file each.
GALLERY = TESTS / "plugins_gallery"


def fill_folder(folder: Path, *plugins: Path) -> Path:
    """A plugin folder with links to these plugins.

    Links, because one process imports a module name once, for all tests: a copy would be another
    module of the same name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for plugin in plugins:
        (folder / plugin.name).symlink_to(plugin)
    return folder
