"""Loading without what the libraries say about files that are in order."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

#: What libraries warn about when they are imported and load a pipeline that is in order, by logger.
HARMLESS: Mapping[str, tuple[str, ...]] = {
    # A component of another class than the annotations name (a tiny autoencoder, say) works.
    "diffusers.pipelines.pipeline_utils": ("Expected types for ",),
    # `AutoencoderTiny` saves this attribute and then does not expect it.
    "diffusers.configuration_utils": ("{'block_out_channels'",),
    # It casts every single file's model, and names those that should not be cast: none.
    "diffusers.models.modeling_utils": ("should be kept in float32: []",),
    "diffusers.quantizers.torchao.torchao_quantizer": (
        # Classes that torchao had once, of files that it quantized itself.
        "Unable to import `torchao` Tensor objects",
        # Weights in 8 bits are multiplied in any type.
        "only bfloat16 is supported right now",
    ),
    # Pillow resizes images as well, and text to image resizes none.
    "transformers.utils.import_utils": ("requires torchvision (not installed)",),
    # Counting the tokens of a long prompt is not reading them.
    "transformers.tokenization_utils_base": ("Token indices sequence length is longer",),
    # Its own kernels, for some GPUs; weights in 8 bits need torch's alone.
    "torchao": ("Failed to load ", "Skipping import of cpp extensions"),
    "torchao.kernel.intmm": ("Detected no triton",),
    # How torchao registers two of its enumerations.
    "torch.utils._pytree": ("is an Enum subclass",),
}


@contextmanager
def hushed() -> Iterator[None]:
    """Drop the lines of `HARMLESS`, and no others."""
    with ExitStack() as stack:
        for name, phrases in HARMLESS.items():
            hush = _Hush(phrases)
            logger = logging.getLogger(name)
            logger.addFilter(hush)
            stack.callback(logger.removeFilter, hush)
        yield


def disable_progress_bars() -> None:
    """Keep the libraries from drawing bars on standard error, which is a log here, for good."""
    # Imported here, because what is not loaded yet is hushed too.
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    for library in (diffusers_logging, transformers_logging):
        library.disable_progress_bar()


class _Hush(logging.Filter):
    def __init__(self, phrases: tuple[str, ...]) -> None:
        super().__init__()
        self._phrases = phrases

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        return not any(phrase in message for phrase in self._phrases)
