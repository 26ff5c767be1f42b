"""Which texts were found to be right or wrong, so that the slow hash runs once for each."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict

#: Right ones, and wrong ones, that are remembered; those that were not sent for longest go first.
MOST = 1024


class Verdicts:
    """Remembers texts by their digest. A key's hash never changes, so that verdicts stay true;
    whether it was revoked is another question. Any thread may use it."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        # Apart, so that a flood of wrong ones drives no right one out.
        self._found: dict[bool, OrderedDict[bytes, None]] = {
            True: OrderedDict(),
            False: OrderedDict(),
        }
        self._lock = threading.Lock()

    def recall(self, text: str) -> bool | None:
        """Whether the text was right; None when that is not known."""
        digest = _digest(text)
        with self._lock:
            for is_right, texts in self._found.items():
                if digest in texts:
                    texts.move_to_end(digest)
                    return is_right
        return None

    def remember(self, text: str, is_right: bool) -> None:
        """Note what the hash has told."""
        with self._lock:
            texts = self._found[is_right]
            texts[_digest(text)] = None
            if len(texts) > self._most:
                texts.popitem(last=False)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
