"""The garbage collector rests during imports, and only then."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from server.plugins.importing import uncollected
from tests.servers import ROOT


def test_it_rests_and_works_again() -> None:
    with uncollected():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_an_import_that_fails_leaves_it_at_work() -> None:
    with pytest.raises(ImportError), uncollected():
        raise ImportError("no such module")
    assert gc.isenabled()


def test_one_that_is_off_stays_off() -> None:
    gc.disable()
    try:
        with uncollected():
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        gc.enable()


#: In a process of its own: a collection looks through all that the tests import.
YOUNG = """
import gc, weakref
from server.plugins.importing import MANY, uncollected
class Model: pass
with uncollected():
    model = Model()
    model.itself = model
    others = [[] for _ in range(2 * MANY)]
print("old" if any(each is model for each in gc.get_objects(generation=2)) else "young")
seen = weakref.ref(model)
del model
gc.collect()
print("gone" if seen() is None else "kept")
gc.freeze()
frozen = gc.get_freeze_count()
with uncollected():
    others += [[] for _ in range(2 * MANY)]
print("frozen" if gc.get_freeze_count() == frozen else "thawed")
"""


def test_what_came_meanwhile_is_old_and_can_be_collected_and_what_was_frozen_stays_so() -> None:
    done = subprocess.run(
        [sys.executable, "-c", YOUNG], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["old", "gone", "frozen"]
