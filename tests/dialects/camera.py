"""The dialect of docs/how-to/write-a-dialect.md, as a plugin folder for tests."""

from __future__ import annotations

import re
from pathlib import Path

from tests.docs.pages import DOCS
from tests.support import PLUGINS

GUIDE = DOCS / "how-to" / "write-a-dialect.md"
CODE = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


def plugin_folder(folder: Path) -> Path:
    """Put the guide's dialect and the instant family into a folder."""
    [code] = CODE.findall(GUIDE.read_text("utf-8"))
    (folder / "camera.py").write_text(code)
    (folder / "colours.py").symlink_to(PLUGINS / "colours.py")
    return folder
