"""In narrow floating-point types too, the server's images are those of plain diffusers.

Pipelines change parts of them between types while they run (an autoencoder, the noise): a run must
leave none changed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.families.build import STAND_INS
from tests.families.jobs import begun, check, made
from tests.families.published import MODELS
from tests.families.variants import IN_NARROW_TYPES, TYPES
from tests.servers import ServerProcess

pytestmark = [
    # torch's tensors do not know numpy 2's `copy` argument yet, and schedulers convert them.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy"),
    # Chroma of diffusers 0.42 uses a part that the same release deprecates.
    pytest.mark.filterwarnings("ignore:`FluxPosEmbed` is deprecated:FutureWarning"),
    # In float16 the pipeline of SDXL decodes in float32, by a method that is deprecated.
    pytest.mark.filterwarnings("ignore:`upcast_vae` is deprecated:FutureWarning"),
    pytest.mark.usefixtures("one_thread"),
]

#: FLUX.2 reads images beside the prompt; there is nothing to redraw.
STRENGTH = {
    model: {} if model == "flux-2-klein-4b" else {"strength": 0.6} for model in IN_NARROW_TYPES
}
#: Only the pipeline of SDXL knows float16 from bfloat16: the others run in it with `make soak`.
CASES = [
    pytest.param(
        model,
        dtype,
        marks=[pytest.mark.slow] if dtype == "float16" and model != "sdxl-base" else [],
    )
    for model in IN_NARROW_TYPES
    for dtype in TYPES
]


@pytest.fixture(scope="module")
def server(tiny_server: ServerProcess) -> ServerProcess:
    return tiny_server


@pytest.mark.parametrize(("model", "dtype"), CASES)
def test_images_are_those_of_a_plain_call(
    server: ServerProcess, tiny: Callable[[str], Path], model: str, dtype: str
) -> None:
    import torch

    from tests.families import plain_diffusers

    published = MODELS[model]
    words: dict[str, Any] = {"prompt": "a red cat", "seed": 9, "width": 80, "height": 64}
    words["steps"] = 4

    def plain(words: dict[str, Any], **images: Any) -> Any:
        pipe = plain_diffusers.load(
            tiny(STAND_INS[model]), image_to_image=bool(images), dtype=getattr(torch, dtype)
        )
        arguments = {**published.arguments(words), **images}
        return plain_diffusers.image(pipe, published.sampler(words), 9, **arguments)

    named = {**words, "model": f"{model}-{dtype}"}
    (before,) = made(server, named)
    (redrawn,), file = begun(server, {**named, **STRENGTH[model]}, "data URI")
    (after,) = made(server, named)
    picture = plain_diffusers.upright(file)
    if STRENGTH[model]:
        picture = plain_diffusers.fitted(file, words["width"], words["height"])
    check(before, plain(words))
    check(redrawn, plain({**words, **STRENGTH[model]}, image=picture))
    check(after, before)
