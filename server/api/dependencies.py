"""What routes ask for in their signatures."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Header, Path, Query
from pydantic import AfterValidator
from pydantic.json_schema import SkipJsonSchema
from starlette.requests import Request

from server.api.schemas import FILENAME_EXAMPLE, JOB_ID_EXAMPLE
from server.http.rate_limit import RateLimiter
from server.http.sse import Streams
from server.service import GenerationService

#: A text that may be left out. A URL has no null, so that the documentation does not show one.
OptionalText = str | SkipJsonSchema[None]

#: What `next_cursor` of a page in the order of time looks like; empty counts as absent.
ROW_CURSOR = r"^[0-9]{0,18}$"

#: The largest row number SQLite has; a larger offset would be an error there.
MAX_OFFSET = 2**63 - 1


def _service(request: Request) -> GenerationService:
    service: GenerationService = request.app.state.service
    return service


def _streams(request: Request) -> Streams:
    streams: Streams = request.app.state.streams
    return streams


def _limiter(request: Request) -> RateLimiter:
    limiter: RateLimiter = request.app.state.limiter
    return limiter


def _last_event_id(
    header: Annotated[
        OptionalText,
        Header(
            alias="Last-Event-ID",
            description="The last event seen, by its id. EventSource sends it.",
        ),
    ] = None,
    query: Annotated[
        OptionalText,
        Query(alias="last_event_id", description="The same, for clients without the header."),
    ] = None,
) -> str | None:
    return query if header is None else header


def _clamp_limit(limit: int) -> int:
    return max(1, min(limit, 200))


def _clamp_offset(offset: int) -> int:
    return min(offset, MAX_OFFSET)


Limiter = Annotated[RateLimiter, Depends(_limiter)]
Service = Annotated[GenerationService, Depends(_service)]
LastEventId = Annotated[OptionalText, Depends(_last_event_id)]
OpenStreams = Annotated[Streams, Depends(_streams)]

#: What paths name. The page at `/docs` puts what is there in the place of these examples.
JobId = Annotated[
    str,
    Path(description="`job_id` of the answer to a request.", examples=[JOB_ID_EXAMPLE]),
]
ImageName = Annotated[
    str,
    Path(description="`filename` of an image of the gallery.", examples=[FILENAME_EXAMPLE]),
]
ModelName = Annotated[str, Path(description="A model's id or alias; `/api/models` lists them.")]
LoraName = Annotated[
    str,
    Path(
        description="A LoRA's id, as `/api/loras` lists it; `civitai_{model}` where one version of "
        "that model is here; its file name; or its name.",
        examples=["civitai_1963644"],
    ),
]

Limit = Annotated[
    int,
    AfterValidator(_clamp_limit),
    Query(description="How many to list; values outside 1–200 are clamped."),
]
Offset = Annotated[int, Query(ge=0, description="How many to skip."), AfterValidator(_clamp_offset)]
CURSOR_MEANING = (
    "`next_cursor` of the page before; unlike an offset it stays right while new entries arrive."
)

_Absent = AfterValidator(lambda cursor: cursor or None)

Cursor = Annotated[
    OptionalText,
    Query(description=CURSOR_MEANING, json_schema_extra={"pattern": ROW_CURSOR}),
    _Absent,
]

#: Of pages that are ordered by name.
NameCursor = Annotated[OptionalText, Query(description=CURSOR_MEANING), _Absent]
