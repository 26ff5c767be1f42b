"""The programs in docs/ that write pages, which are no part of a package."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from types import ModuleType

from tests.docs.pages import DOCS


@cache
def generator(name: str) -> ModuleType:
    """One of them by its module's name; `build_reference` lets the others be found."""
    if name != "build_reference":
        generator("build_reference")
        return sys.modules.get(name) or importlib.import_module(name)
    found = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module
