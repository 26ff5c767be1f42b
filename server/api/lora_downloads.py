"""LoRAs: bring new ones."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse

from server.api import schemas
from server.api.dependencies import Service
from server.api.generate import accepted
from server.api.refusals import refusals
from server.callers import Scope
from server.errors import (
    BodyTooLarge,
    InvalidParameters,
    MalformedReference,
    MalformedRequest,
    QueueFull,
    ShuttingDown,
    UnsupportedMediaType,
)
from server.http.access import needs
from server.http.json_body import read_object
from server.http.routes import router as guarded_router
from server.loras.references import FORMS
from server.wording import problems

router = guarded_router(tags=["loras"])


EXAMPLES = {
    "civitai:1377820@1963644": "A version of a model on civitai",
    "1963644": "The same by its number alone",
    "org/name:x.safetensors": "A file of a repository on the hub",
}


class WantedLora(BaseModel):
    """Which LoRA to bring."""

    model_config = ConfigDict(extra="forbid", strict=True)

    ref: str = Field(
        min_length=1,
        max_length=2000,
        description=f"Where it is: {FORMS}.",
        examples=[*EXAMPLES],
    )


BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": WantedLora.model_json_schema(),
                "examples": {
                    ref: {"summary": summary, "value": {"ref": ref}}
                    for ref, summary in EXAMPLES.items()
                },
            }
        },
    }
}


@router.post(
    "/api/loras",
    status_code=202,
    summary="Download a LoRA",
    responses={
        202: {"model": schemas.Accepted, "description": "The job is stored and begins."},
        **refusals(
            MalformedRequest,
            BodyTooLarge,
            UnsupportedMediaType,
            InvalidParameters,
            MalformedReference,
            QueueFull,
            ShuttingDown,
        ),
    },
    openapi_extra=BODY,
)
@needs(Scope.ADMIN)
async def add_lora(request: Request, service: Service) -> JSONResponse:
    """Brings a LoRA to this machine, in a job of kind `download` that runs beside the queue. Follow
    it at its `sse_url`: `download` has the bytes and the speed, and at the end `lora` the id for
    requests. A LoRA that is here completes it at once; a reference that is being downloaded
    answers with the job that does. Files of the server's machine are refused.

    A number is that of a version on civitai, else that of a model. What was begun goes on after a
    restart of the server where it stopped."""
    wanted = _read(await read_object(request))
    return JSONResponse(accepted(await service.add_lora(wanted.ref)), status_code=202)


def _read(body: dict[str, Any]) -> WantedLora:
    try:
        return WantedLora.model_validate(body)
    except ValidationError as error:
        raise InvalidParameters(problems(error)) from None
