"""The session of a browser page: a cookie in the place of a key."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import Depends
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from server.api.refusals import refusals
from server.api.schemas import Shape
from server.callers import ALL_SCOPES, Scope
from server.errors import InvalidParameters, MalformedRequest, UnsupportedMediaType
from server.http.access import open_to_all
from server.http.auth import Authenticator
from server.http.json_body import read_object
from server.http.routes import router as guarded
from server.http.session_cookie import forget
from server.key_errors import KeyNeeded, KeyRefused, TooManyFailures
from server.keys.record import Key
from server.wording import problems

router = guarded(tags=["system"])


#: Nobody's: a server without keys takes it, one with keys wants yours.
KEY_EXAMPLE = "dk_0123456789ab_…"


class SessionKey(BaseModel):
    """Who begins a session."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    key: str = Field(
        min_length=1,
        max_length=200,
        description="The key, as `darkroom keys add` has printed it.",
        examples=[KEY_EXAMPLE],
    )


class SessionState(Shape):
    """Whether the caller is known."""

    needs_key: bool = Field(description="Whether this server asks for keys.")
    authenticated: bool = Field(description="Whether a valid key or session came along.")
    name: str | None = Field(description="The key's name; null without one.")
    scopes: list[Scope] = Field(description="What the caller may do.")


BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": SessionKey.model_json_schema(),
                "example": {"key": KEY_EXAMPLE},
            }
        },
    }
}


def _authenticator(request: Request) -> Authenticator:
    found: Authenticator = request.app.state.authenticator
    return found


Authentication = Annotated[Authenticator, Depends(_authenticator)]


@router.get(
    "/api/session",
    summary="The caller's session",
    responses={200: {"model": SessionState}, **refusals(TooManyFailures)},
)
@open_to_all
async def show_session(request: Request, authenticator: Authentication) -> JSONResponse:
    """Tells whether the server asks for a key, and what the key or the session that comes with this
    request may be used for."""
    needs_key, key = await authenticator.needs_key(request), None
    if needs_key:
        key = await _known(request, authenticator)
    scopes = ALL_SCOPES if not needs_key else key.scopes if key else ()
    return JSONResponse(
        {
            "needs_key": needs_key,
            "authenticated": key is not None,
            "name": key and key.name,
            "scopes": [scope for scope in Scope if scope in scopes],
        }
    )


@router.post(
    "/api/session",
    status_code=204,
    response_class=Response,
    summary="Begin a session",
    responses={
        204: {"description": "The cookie is in `Set-Cookie`; without keys there is none."},
        **refusals(
            MalformedRequest, KeyRefused, UnsupportedMediaType, InvalidParameters, TooManyFailures
        ),
    },
    openapi_extra=BODY,
)
@open_to_all
async def begin_session(request: Request, authenticator: Authentication) -> Response:
    """Lets a page use a key without keeping it: the answer's cookie (no script reads it, and no
    other site's page sends it) stands for the key for 30 days, in event streams too. Revoking the
    key ends the session."""
    given = _read(await read_object(request))
    answer = Response(status_code=204)
    if await authenticator.needs_key(request):
        key = await authenticator.examine(given.key.strip(), request)
        cookie = await asyncio.to_thread(authenticator.sessions.issue, key.id)
        authenticator.sessions.set(answer, cookie, secure=_came_by_https(request))
    return answer


@router.delete(
    "/api/session",
    status_code=204,
    response_class=Response,
    summary="End the session",
    responses={204: {"description": "The cookie is gone."}},
)
@open_to_all
async def end_session() -> Response:
    """Lets the browser forget its cookie, if it has one."""
    answer = Response(status_code=204)
    forget(answer)
    return answer


async def _known(request: Request, authenticator: Authenticator) -> Key | None:
    """The caller's key; None without one, and with one that is not good."""
    try:
        return await authenticator.key(request)
    except KeyNeeded:
        return None


def _read(body: dict[str, object]) -> SessionKey:
    """
    Raises:
        InvalidParameters
    """
    try:
        return SessionKey.model_validate(body)
    except ValidationError as error:
        raise InvalidParameters(problems(error)) from None


def _came_by_https(request: Request) -> bool:
    """Whether the page that sends this came by https; behind a proxy only the browser knows."""
    return request.url.scheme == "https" or request.headers.get("origin", "").startswith("https:")
