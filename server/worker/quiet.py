"""Loading without what the libraries say about files that are in order."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

#: What libraries warn about when they load a pipeline that is in order, by logger.
HARMLESS: Mapping[str, str] = {
    # A component of another class than the annotations name (a tiny autoencoder, say) works.
    "diffusers.pipelines.pipeline_utils": "Expected types for ",
    # `AutoencoderTiny` saves this attribute and then does not expect it.
    "diffusers.configuration_utils": "{'block_out_channels'",
    # Pillow resizes images as well, and text to image resizes none.
    "transformers.utils.import_utils": "requires torchvision (not installed)",
    # Counting the tokens of a long prompt is not reading them.
    "transformers.tokenization_utils_base": "Token indices sequence length is longer",
}


@contextmanager
def hushed() -> Iterator[None]:
    """Drop the lines of `HARMLESS`, and no others."""
    with ExitStack() as stack:
        for name, words in HARMLESS.items():
            hush = _Hush(words)
            logger = logging.getLogger(name)
            logger.addFilter(hush)
            stack.callback(logger.removeFilter, hush)
        yield


@contextmanager
def no_progress_bars() -> Iterator[None]:
    """Keep the libraries from drawing bars on standard error."""
    libraries = (diffusers_logging, transformers_logging)
    for library in libraries:
        library.disable_progress_bar()
    try:
        yield
    finally:
        for library in libraries:
            library.enable_progress_bar()


class _Hush(logging.Filter):
    def __init__(self, words: str) -> None:
        super().__init__()
        self._words = words

    def filter(self, record: logging.LogRecord) -> bool:
        return self._words not in record.getMessage()
