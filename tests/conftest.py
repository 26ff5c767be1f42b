"""What every process that runs tests does once."""

from __future__ import annotations

import gc
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import pytest

from tests.support import MEASURED

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser without a window. Only those who look at pages pay for its import."""
    from tests.browser.chromium import launched

    with launched() as running:
        yield running


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what was measured."""
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    for report in reports:
        for name, text in getattr(report, "user_properties", ()):
            if name == MEASURED and report.when == "call":
                terminalreporter.write_line(text)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep the garbage collector away from what collecting brings: modules, which all stay.

    They are millions of objects. Looking at them costs seconds while they come, and most of a
    second again each time that the worker's code wants memory back.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()
        # What the tests leave is looked for a tenth as often: that took a tenth of their time.
        gc.set_threshold(10_000, 10, 10)
