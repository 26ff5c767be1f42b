"""What the log must not hold."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from server.serve import configure_logging

LIBRARIES = ("httpx", "httpcore")


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    loggers = [logging.root, *map(logging.getLogger, ("server", *LIBRARIES))]
    before = [logger.level for logger in loggers]
    yield
    for logger, level in zip(loggers, before, strict=True):
        logger.setLevel(level)


@pytest.mark.parametrize("level", ["debug", "info", "error"])
def test_addresses_and_headers_of_requests_are_never_logged(level: str) -> None:
    logging.root.setLevel(level.upper())
    configure_logging(level)
    for name in LIBRARIES:
        assert not logging.getLogger(f"{name}.connection").isEnabledFor(logging.INFO)
