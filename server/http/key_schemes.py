"""How OpenAPI documents tell where a key goes, and which operations ask for one."""

from __future__ import annotations

from typing import Any

from server.http.access import Access

_WHICH = "As `darkroom keys add` has printed it. Only a server that has keys asks for one."

_ELSEWHERE = (
    "`X-API-Key`, the password of `Authorization: Basic` with any user name, and `?key=` in the "
    "URL of a GET (streams in a browser cannot send headers) do the same."
)

#: The places of a key that every client can fill: one form each in the dialog of `/docs`. The
#: others, which some programs want, are told in words.
SCHEMES: dict[str, dict[str, Any]] = {
    "x-key": {
        "type": "apiKey",
        "in": "header",
        "name": "x-key",
        "description": f"{_WHICH} {_ELSEWHERE}",
    },
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": f"The same key, as `Authorization: Bearer …`. {_WHICH}",
    },
}


def security(access: Access) -> list[dict[str, list[str]]]:
    """What an operation asks for: one of the schemes will do. Beside it stands the scope that the
    key must have, which OpenAPI 3.1 allows with any scheme."""
    if access.scope is None:
        return []
    either = [{name: [access.scope.value]} for name in SCHEMES]
    # The name of an image is enough, unless the settings say otherwise.
    return [{}, *either] if access.is_image else either
