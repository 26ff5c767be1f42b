"""The server knows no family by name, and announcing families stays light."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_no_familys_name_occurs_in_the_server() -> None:
    folders = [path.name for path in (ROOT / "model_plugins").iterdir() if path.is_dir()]
    families = [name for name in folders if name[0] not in "_."]
    assert families
    names = re.compile(rf"\b({'|'.join(families)})\b", re.IGNORECASE)
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in sorted((ROOT / "server").rglob("*.py"))
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if names.search(line)
    ]
    assert found == []


def test_announcing_every_family_leaves_the_heavy_libraries_out() -> None:
    program = (
        "import sys; from server.plugins.manager import discover\n"
        "print(len(discover().families), *{'torch', 'diffusers', 'transformers'} & {*sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    families, *heavy = done.stdout.split()
    assert int(families) >= 1
    assert heavy == []
