"""The parts of the page that need no browser, by node's own test runner."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def test_the_pure_parts_of_the_page() -> None:
    if shutil.which("node") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("node is missing; on Debian: apt-get install nodejs")
        pytest.skip("needs Node.js; on Debian: apt-get install nodejs")
    files = sorted(path.name for path in HERE.glob("*.test.js"))
    command = ["node", "--test", "--test-reporter=tap", *files]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
    told = dict(re.findall(r"^# (\w+) (\d+)$", done.stdout, re.MULTILINE))
    written = sum(path.read_text(encoding="utf-8").count("\ntest(") for path in HERE.glob("*.js"))
    assert (int(told["pass"]), int(told["fail"])) == (written, 0)
