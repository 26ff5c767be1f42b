"""The slow hash of secrets: scrypt (RFC 7914) with a salt for each key."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import NamedTuple

#: 16 MiB and some 50 ms for each hash; OpenSSL refuses more than 32 MiB unless told.
COST = 2**14
BLOCK = 8
SALT_BYTES = 16
HASH_BYTES = 32


class Hashed(NamedTuple):
    """A secret as the database has it: both in hexadecimal digits."""

    salt: str
    hash: str


def hashed(secret: str) -> Hashed:
    """Hash a new secret."""
    salt = secrets.token_bytes(SALT_BYTES)
    return Hashed(salt.hex(), _scrypt(secret, salt).hex())


def matches(secret: str, kept: Hashed) -> bool:
    """Whether this is the secret of `kept`, compared in a time that tells nothing of it."""
    own = _scrypt(secret, bytes.fromhex(kept.salt))
    return hmac.compare_digest(own, bytes.fromhex(kept.hash))


def _scrypt(secret: str, salt: bytes) -> bytes:
    return hashlib.scrypt(secret.encode(), salt=salt, n=COST, r=BLOCK, p=1, dklen=HASH_BYTES)
