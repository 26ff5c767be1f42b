"""The text of a key, which its holder sends: `dk_ID_SECRET`; and where it stands in requests.

The id finds the key's row without a hash; the secret is kept nowhere.
"""

from __future__ import annotations

import re
import secrets
from typing import NamedTuple, Self

#: Headers that hold a key and nothing else.
HEADERS = ("x-key", "x-api-key")

#: The parameter of URLs that holds a key, for clients that cannot send headers.
PARAMETER = "key"

#: Bytes of a secret, drawn by the system: nobody guesses 256 bits.
SECRET_BYTES = 32
ID_BYTES = 6

#: The same form within a larger text, a line of a log say.
PATTERN = r"dk_([0-9a-f]{12})_([A-Za-z0-9_-]{43})"
_FORM = re.compile(PATTERN)


class Token(NamedTuple):
    """A key's two parts."""

    id: str
    secret: str

    @classmethod
    def draw(cls) -> Self:
        """A new one."""
        return cls(secrets.token_hex(ID_BYTES), secrets.token_urlsafe(SECRET_BYTES))

    @classmethod
    def read(cls, text: str) -> Self | None:
        """The parts of a text that has the form of a key, else None."""
        found = _FORM.fullmatch(text)
        return None if found is None else cls(*found.groups())

    @property
    def text(self) -> str:
        """What its holder sends."""
        return f"dk_{self.id}_{self.secret}"
