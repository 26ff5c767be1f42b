"""Who may use a route, and how much they may send: said where the route is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from server.callers import Scope

#: Bytes of a body that holds no image.
SMALL_BODY = 1024 * 1024

_MARK = "__access__"

Endpoint = TypeVar("Endpoint", bound=Callable[..., object])


@dataclass(frozen=True, slots=True)
class Access:
    """What a route asks of its callers.

    Attributes:
        scope: what their key must be for; None: open to everybody.
        takes_images: whether bodies may be as large as the settings allow (`max_body_bytes`), and
            not only `SMALL_BODY`.
        is_image: whether it serves the bytes of an image, which need a key only where the settings
            say so (`images_need_key`).
    """

    scope: Scope | None
    takes_images: bool = False
    is_image: bool = False


def needs(scope: Scope, *, takes_images: bool = False) -> Callable[[Endpoint], Endpoint]:
    """The route is for callers whose key has this scope."""
    return _marker(Access(scope, takes_images))


def open_to_all(endpoint: Endpoint) -> Endpoint:
    """The route asks for no key."""
    return _marker(Access(None))(endpoint)


def serves_image(endpoint: Endpoint) -> Endpoint:
    """The route serves the bytes of an image: whoever knows its name gets it, unless the settings
    say otherwise."""
    return _marker(Access(Scope.READ, is_image=True))(endpoint)


def access_of(endpoint: Callable[..., object]) -> Access:
    """What a route asks of its callers.

    Raises:
        TypeError: nobody has said; a route that says nothing must not be open by mistake.
    """
    access = getattr(endpoint, _MARK, None)
    if not isinstance(access, Access):
        name = getattr(endpoint, "__qualname__", endpoint)
        raise TypeError(f"{name} says not who may use it: decorate it with `needs`, say")
    return access


def _marker(access: Access) -> Callable[[Endpoint], Endpoint]:
    def mark(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, _MARK, access)
        return endpoint

    return mark
