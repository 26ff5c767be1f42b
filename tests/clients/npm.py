"""Programs of npm's registry, and what runs them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def installed(folder: Path, *files: Path) -> Path:
    """The folder with these files, one of them a `package.json`, and the packages that it names.

    The test is skipped where npm or its registry is missing, but fails on a machine whose purpose
    is testing.
    """
    if shutil.which("npm") is None:
        if os.environ.get("CI"):
            pytest.fail("npm is missing; on Debian: apt-get install npm")
        pytest.skip("needs Node.js and npm; on Debian: apt-get install npm")
    for file in files:
        shutil.copy(file, folder)
    done = ran("npm", "install", "--no-audit", "--no-fund", "--no-package-lock", cwd=folder)
    if done.returncode != 0 and not os.environ.get("CI"):
        pytest.skip(f"npm could not fetch the packages (offline?): {done.stderr[-300:]}")
    assert done.returncode == 0, done.stderr
    return folder


def ran(*command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A command that was run; its status is for the caller to judge."""
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False
    )
