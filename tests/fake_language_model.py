"""A server in front of a language model, as OpenAI's is: real HTTP on loopback, in threads."""

from __future__ import annotations

import json
import threading
from types import TracebackType
from typing import Any

from server.enrich_entry import EnrichEntry
from tests.fake_http import Exchange, Fault, Seen, Server

KEY = "language-model-key"
NAME = "writer-7b"
PATH = "/v1/chat/completions"


class FakeLanguageModel:
    """A context in which the server answers.

    Attributes:
        seen: the requests that came in.
        faults: by path, how the next requests are answered instead of as they should be.
        text: what it answers.
        gate: cleared, it keeps everybody waiting.
        most: how many it was busy with at a time.
    """

    def __init__(self, text: str = "") -> None:
        self.seen: list[Seen] = []
        self.faults: dict[str, list[Fault]] = {}
        self.text = text
        self.gate = threading.Event()
        self.gate.set()
        self.most = 0
        self._busy = 0
        self._lock = threading.Lock()
        self._server = Server(self, self._answer)
        self.base_url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> FakeLanguageModel:
        self._server.thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()

    def entry(self, **words: Any) -> EnrichEntry:
        """A configuration that names this server."""
        return EnrichEntry(
            **{"base_url": self.base_url, "model": NAME, "api_key": KEY, "timeout": 60, **words}
        )

    def question(self) -> dict[str, Any]:
        """The body of the last request."""
        body: dict[str, Any] = json.loads(self.seen[-1].body)
        return body

    def _answer(self, exchange: Exchange, path: str) -> None:
        with self._lock:
            self._busy += 1
            self.most = max(self.most, self._busy)
        self.gate.wait(60)
        with self._lock:
            self._busy -= 1
        if path == PATH:
            exchange.json(200, completion(self.text))
        else:
            exchange.json(404, {"error": {"message": "unknown path"}})


def completion(text: str | None, finish_reason: str = "stop") -> dict[str, Any]:
    """An answer with this text, with all that OpenAI's answers have."""
    message = {"role": "assistant", "content": text, "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": finish_reason, "logprobs": None}
    usage = {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1767225600,
        "model": NAME,
        "choices": [choice],
        "usage": usage,
    }
