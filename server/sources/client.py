"""HTTP as sources need it: keys that stay at home, checked addresses, patience, typed errors."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from server import __version__
from server.source_errors import NotAWeightsFile, OfflineSource, SourceFailed, SourceUnreachable
from server.sources.addresses import GuardedTransport
from server.sources.refusals import refusal
from server.sources.sites import Sites
from server.wording import shown

T = TypeVar("T")
Record = TypeVar("Record", bound=BaseModel)

MAX_REDIRECTS = 8

#: Tries after the first; those that brought bytes of a file do not count.
RETRIES = 5

#: Most seconds between two tries, whatever a server asks for.
LONGEST_PAUSE = 60.0

#: Bytes of an answer that is read at once; a repository's listing is far below.
LARGEST_ANSWER = 64 * 1024 * 1024

#: Most seconds that such an answer takes.
LONGEST_ANSWER = 120.0


class Passing(Exception):
    """A failure that may pass: another try could succeed. `wait` is what the server asks for."""

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait


class SourceClient:
    """A context for requests to the places where weights come from."""

    def __init__(
        self,
        sites: Sites,
        *,
        allow_private: bool = False,
        timeout: float = 30.0,
        pause: float = 1.0,
    ) -> None:
        """
        Args:
            sites: whose keys are used, and whether the network is off.
            allow_private: the setting `allow_private_sources`.
            timeout: seconds without a byte after which a connection counts as dead.
            pause: seconds before the second try; each further one waits twice as long.
        """
        self.sites = sites
        self._pause = pause
        self._http = httpx.AsyncClient(
            transport=GuardedTransport(allow_private=allow_private),
            timeout=httpx.Timeout(timeout, connect=min(timeout, 10.0)),
            follow_redirects=False,
            headers={"User-Agent": f"darkroom/{__version__}", "Accept-Encoding": "identity"},
        )

    async def __aenter__(self) -> SourceClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def read(self, url: str, kind: type[Record]) -> Record:
        """The JSON that an address answers with, as a record.

        Raises:
            SourceFailed: one of its kinds.
        """
        return _record(url, await self.patiently(lambda: self._body(url)), kind)

    async def ask(self, url: str, question: Any, kind: type[Record]) -> Record:
        """The JSON that an address answers with to a question in JSON, as a record.

        The question is sent to that address and to none that it redirects to.

        Raises:
            SourceFailed: one of its kinds.
        """
        content = json.dumps(question).encode()

        async def body() -> bytes:
            async with self._open(url, lambda place: self._post(place, content)) as response:
                return await read(response, LARGEST_ANSWER)

        return _record(url, await self.patiently(body), kind)

    @asynccontextmanager
    async def get(
        self, url: str, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[httpx.Response]:
        """A successful answer, its body still to be read; 416 counts as one.

        Redirects are followed; each address gets only the key of its own site.

        Raises:
            SourceFailed: one of its kinds.
            Passing: another try may succeed; also what reading the body raises.
        """
        async with self._open(url, lambda place: self._follow(place, headers or {})) as response:
            yield response

    @asynccontextmanager
    async def _open(
        self, url: str, send: Callable[[httpx.URL], Awaitable[httpx.Response]]
    ) -> AsyncIterator[httpx.Response]:
        """The answer to what `send` sends, if it is a successful one; see `get`."""
        if self.sites.offline:
            raise OfflineSource(
                f"{shown(url)} is needed, and HF_HUB_OFFLINE forbids to use the network. Unset "
                "it, or bring the files here another way and name their folder as the source."
            )
        try:
            response = await send(httpx.URL(url))
            try:
                await self._check(response)
                yield response
            finally:
                await response.aclose()
        except httpx.InvalidURL as error:
            raise SourceFailed(
                f"{shown(url)} leads to an address that cannot be used: {error}. Check it."
            ) from error
        except httpx.RequestError as error:
            reason = str(error) or type(error).__name__
            raise Passing(f"{shown(url)} cannot be reached: {reason}") from error

    async def patiently(
        self, attempt: Callable[[], Awaitable[T]], gained: Callable[[], int] = lambda: 0
    ) -> T:
        """The result of `attempt`, tried again after failures that may pass.

        Args:
            attempt: what to do.
            gained: a number that grows when a try, though it failed, was not in vain.

        Raises:
            SourceUnreachable: after `RETRIES` further tries in vain.
        """
        tries, best = 0, gained()
        while True:
            try:
                return await attempt()
            except Passing as error:
                tries = 1 if gained() > best else tries + 1
                best = max(best, gained())
                if tries > RETRIES:
                    raise SourceUnreachable(
                        f"{error}. {RETRIES + 1} tries failed; check the network and try again "
                        f"later{': what was downloaded is kept' if best else ''}."
                    ) from error
                wait = error.wait if error.wait is not None else self._pause * 2 ** (tries - 1)
            await asyncio.sleep(min(wait, LONGEST_PAUSE))

    async def _body(self, url: str) -> bytes:
        async with self.get(url) as response:
            return await read(response, LARGEST_ANSWER)

    async def _follow(self, url: httpx.URL, headers: Mapping[str, str]) -> httpx.Response:
        for _ in range(MAX_REDIRECTS + 1):
            request = self._http.build_request("GET", url, headers={**self._own(url), **headers})
            response = await self._http.send(request, stream=True)
            if not response.has_redirect_location:
                return response
            await response.aclose()
            url = url.join(response.headers["Location"])
        raise SourceFailed(f"{shown(str(url))} redirects in circles. Check the address.")

    async def _post(self, url: httpx.URL, content: bytes) -> httpx.Response:
        headers = {**self._own(url), "Content-Type": "application/json"}
        request = self._http.build_request("POST", url, headers=headers, content=content)
        return await self._http.send(request, stream=True)

    def _own(self, url: httpx.URL) -> dict[str, str]:
        """The headers for the site that an address belongs to."""
        site = self.sites.of(url)
        return site.request_headers if site else {}

    async def _check(self, response: httpx.Response) -> None:
        site = self.sites.of(response.url)
        status = response.status_code
        if status in (408, 429) or status >= 500:
            address = shown(str(response.url))
            raise Passing(f"{address} answered {status}", _retry_after(response))
        if status not in (200, 206, 416):
            raise refusal(response, await read(response, 64 * 1024), site)
        if response.headers.get("Content-Type", "").lower().startswith("text/html"):
            raise NotAWeightsFile(
                f"{shown(str(response.url))} is a web page, not a file. Open it in a browser: it "
                "may be a login page (set HF_TOKEN for the hub, CIVITAI_API_KEY for civitai), or "
                "the address of a page about the file instead of the file's own."
            )


def _record(url: str, body: bytes, kind: type[Record]) -> Record:
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise SourceFailed(
            f"{shown(url)} did not answer as it should ({error.error_count()} differences). "
            "Check the reference, and try again later."
        ) from error


async def read(response: httpx.Response, limit: int) -> bytes:
    """The body of an answer, cut off after about `limit` bytes.

    Raises:
        Passing: it takes longer than `LONGEST_ANSWER`.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(LONGEST_ANSWER):
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > limit:
                    break
    except TimeoutError as error:
        raise Passing(f"{shown(str(response.url))} answers too slowly") from error
    return bytes(body)


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds, from either form of the header."""
    text = response.headers.get("Retry-After", "")
    if text.isdecimal():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
