"""The cookie by which a browser page uses a key, which EventSource and WebSocket cannot send
otherwise. It holds the key's id, not the key, and when it was made; both signed."""

from __future__ import annotations

import hashlib
import secrets
import threading

from itsdangerous import BadSignature, URLSafeTimedSerializer
from starlette.requests import HTTPConnection
from starlette.responses import Response

from server.memory import Memory

NAME = "darkroom_session"

#: Seconds until a page has to send its key again.
LIFETIME = 30 * 24 * 3600

#: Under which name the secret that signs is remembered, so that a restart ends no session.
SECRET = "session_secret"


class SessionCookies:
    """Makes and reads the cookies. `issue` and `key_id` block the first time."""

    def __init__(self, memory: Memory, lifetime: int = LIFETIME) -> None:
        self._memory = memory
        self._lifetime = lifetime
        self._made: URLSafeTimedSerializer | None = None
        self._making = threading.Lock()

    def issue(self, key_id: str) -> str:
        """The value of a new cookie."""
        return str(self._serializer().dumps(key_id))

    def key_id(self, value: str) -> str | None:
        """The id of the key that a cookie stands for; None when it is not ours or has expired."""
        try:
            found = self._serializer().loads(value, max_age=self._lifetime)
        except BadSignature:  # SignatureExpired is one
            return None
        return found if isinstance(found, str) else None

    def set(self, response: Response, value: str, *, secure: bool) -> None:
        """Let the browser keep a cookie: no script reads it, and no other site's page sends it.

        Args:
            response: the answer that carries it.
            value: from `issue`.
            secure: whether the page came by https, and the cookie is to travel by nothing else.
        """
        response.set_cookie(
            NAME,
            value,
            max_age=self._lifetime,
            httponly=True,
            samesite="strict",
            secure=secure,
            path="/",
        )

    def _serializer(self) -> URLSafeTimedSerializer:
        with self._making:
            if self._made is None:
                secret = self._memory.recall(SECRET)
                if secret is None:
                    secret = secrets.token_hex(32)
                    self._memory.remember(SECRET, secret)
                self._made = URLSafeTimedSerializer(
                    secret, salt=NAME, signer_kwargs={"digest_method": hashlib.sha256}
                )
            return self._made


def cookie_of(connection: HTTPConnection) -> str | None:
    """The cookie that a request comes with."""
    return connection.cookies.get(NAME) or None


def forget(response: Response) -> None:
    """Let the browser drop its cookie."""
    response.delete_cookie(NAME, path="/", httponly=True, samesite="strict")
