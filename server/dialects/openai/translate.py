"""From this API's words to ours and back: pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from server.dialects.openai.protocol import Edit, ImageRequest, OutputFormat, usage
from server.errors import DarkroomError, InvalidParameters, JobAlreadyEnded
from server.fitting import Fitted, fit, image_room, placed, ratio_of, size_of_ratio
from server.generation import MAX_SEED
from server.image_sources import data_uri
from server.records import JobStatus
from server.snapshots import JobSnapshot

Size = tuple[int, int]

#: Our words that have others here.
THEIRS = {
    "num_images": "n",
    "width": "size",
    "height": "size",
    "init_image": "image",
    "reference_images": "image",
    "mask_image": "mask",
}

#: Where the parts of a request stand, as the web framework calls it.
PLACES = ("body", "query", "path", "header")

#: What events and answers say of sizes that are not known.
AUTO = "auto"


def parameters(
    asked: ImageRequest,
    schema: Mapping[str, Any],
    size: Size | None = None,
    *,
    has_mask: bool = False,
) -> Fitted:
    """A request in our words, without its images, as one model takes it.

    Args:
        asked: the request.
        schema: the JSON Schema of requests to the model.
        size: width and height where the request says none; None: the model's own.
        has_mask: whether it is an edit with a mask.
    """
    width, height = _size(asked.size) or size or (None, None)
    fitted = fit(
        schema,
        {
            "prompt": asked.prompt,
            "num_images": asked.n,
            "width": width,
            "height": height,
            "seed": None if asked.seed is None or asked.seed < 0 else min(asked.seed, MAX_SEED),
            "steps": asked.steps,
            "cfg_scale": asked.cfg_scale,
            "negative_prompt": asked.negative_prompt,
            "sampler": asked.sampler,
            "strength": _strength(asked, has_mask) if isinstance(asked, Edit) else None,
        },
    )
    # LoRAs that would have no effect are refused, not left out: they are why somebody asks.
    loras = [ref.model_dump(exclude_none=True) for ref in asked.loras or ()]
    body = {**fitted.body, **({"loras": loras} if loras else {})}
    return Fitted(body, fitted.notes).in_words(THEIRS)


def _strength(asked: Edit, has_mask: bool) -> float | None:
    """With a mask nothing shines through unless it is asked for: here, what is to change is
    transparent."""
    return 1 if asked.strength is None and has_mask else asked.strength


def check_taken(
    count: int, schema: Mapping[str, Any], *, has_mask: bool, able: Sequence[str]
) -> None:
    """Whether a model takes the images of an edit.

    Args:
        count: how many there are.
        schema: the JSON Schema of requests to the model.
        has_mask: whether there is a mask.
        able: the models that take one.

    Raises:
        InvalidParameters: it takes no mask, or fewer images.
    """
    words = schema["properties"]
    if has_mask and "mask_image" not in words:
        which = f"; these do: {', '.join(able)}" if able else ", and no other one here does"
        raise refused("mask", f"this model takes no mask{which}")
    room = image_room(schema)
    if count > room:
        text = f"this model takes at most {room} of them" if room else "this model takes no images"
        raise refused("image", text)


def given(images: Sequence[bytes], mask: bytes | None, schema: Mapping[str, Any]) -> dict[str, Any]:
    """The images of an edit under our words: the first where a model has a place for one, the
    others among its references.

    Args:
        images: the images, at least one, and no more than the model takes.
        mask: white where they are to change; None: everywhere.
        schema: the JSON Schema of requests to the model.
    """
    sources = placed([*map(data_uri, images)], schema)
    return {**sources, **({} if mask is None else {"mask_image": data_uri(mask)})}


def size_like(size: Size, edge: int) -> Size:
    """A size with the shape of an image of this one, and about as many pixels as a square of
    `edge`."""
    return size_of_ratio(ratio_of(size), edge * edge)


def written_size(params: Mapping[str, Any]) -> str:
    """A job's size as this API writes it; `auto` where the given image decides."""
    width, height = params.get("width"), params.get("height")
    return f"{width}x{height}" if width and height else AUTO


def seconds(moment: str) -> int:
    """An ISO 8601 moment in whole seconds since 1970."""
    return int(datetime.fromisoformat(moment).timestamp())


def answer(
    ended: JobSnapshot, data: Sequence[Mapping[str, str]], output_format: OutputFormat
) -> dict[str, Any]:
    """The `ImagesResponse` about a job that is completed; `data` are its images."""
    return {
        "created": seconds(ended.created_at),
        "background": "opaque",
        "data": list(data),
        "output_format": output_format,
        "size": written_size(ended.images[0]),
        "usage": usage(),
    }


def check_end(ended: JobSnapshot) -> None:
    """
    Raises:
        JobFailure: the job failed; the kind that it failed with.
        JobAlreadyEnded: it was cancelled.
    """
    if ended.status is JobStatus.CANCELLED:
        raise JobAlreadyEnded(f"The job {ended.job_id} was cancelled.")
    if ended.failure is not None:
        raise ended.failure


def refused(word: str, text: str, kind: str = "value_error") -> InvalidParameters:
    """One thing wrong with a request."""
    return InvalidParameters([{"loc": [word], "msg": text, "type": kind}])


def in_their_words(error: DarkroomError) -> DarkroomError:
    """What is wrong with a request, its fields named as this API's clients know them."""
    if not isinstance(error, InvalidParameters):
        return error
    return InvalidParameters([{**item, "loc": _place(item["loc"])} for item in error.errors])


def _place(loc: Sequence[str | int]) -> list[str | int]:
    bare = [*(loc[1:] if len(loc) > 1 and loc[0] in PLACES else loc)]
    return [THEIRS.get(str(bare[0]), bare[0]), *bare[1:]] if bare else bare


def _size(written: str | None) -> Size | None:
    if written is None or written == AUTO:
        return None
    width, _, height = written.partition("x")
    return int(width), int(height)
