"""Tells clients that their tasks have ended: webhooks, each tried until it is acknowledged."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import TypeVar

from server.dialects.bfl import task as tasks
from server.dialects.bfl import vocabulary
from server.errors import DatabaseUnavailable, JobNotFound
from server.http.host import DialectHost
from server.records import Job, iso, now
from server.snapshots import JobSnapshot
from server.webhooks.sender import NeverDelivered, NotDelivered, WebhookSender, signature
from server.webhooks.store import Due
from server.webhooks.webhook import Webhook
from server.wording import shown

#: The header with the signature of what is sent, as receivers check it.
SIGNATURE = "X-BFL-Signature"

#: Seconds before each further try: an hour in all, the first three as the original's.
PAUSES = (1, 5, 30, 300, 3300)

#: Webhooks that are under way at a time.
PLACES = 16

#: Seconds until a database that cannot be used is tried again.
DATABASE_PAUSE = 5.0

#: The most seconds to sleep while nothing is due: clocks are set, too.
LONGEST_SLEEP = 60.0

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Courier:
    """Sends the webhooks of one dialect's jobs. What a crash interrupts is sent after the next
    start, so that a receiver may be told twice."""

    def __init__(self, host: DialectHost, *, allow_private: bool) -> None:
        """`allow_private`: send also over plain http and to addresses that are not public."""
        self._host = host
        self._allow_private = allow_private

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Send while the block runs."""
        self._wake = asyncio.Event()
        self._busy: set[str] = set()
        self._sender = WebhookSender(allow_private=self._allow_private)
        # In this order: what ends before somebody watches is found by looking.
        work = [asyncio.create_task(self._watch()), asyncio.create_task(self._work())]
        for each in work:
            each.add_done_callback(_tell)
        try:
            yield
        finally:
            for each in work:
                each.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            await self._sender.aclose()

    async def _watch(self) -> None:
        """Note every job that ends."""
        async for snapshot in self._host.service.watch_jobs():
            if snapshot.status.ended:
                await self._patiently(partial(self._ended, snapshot.job_id))

    async def _ended(self, job_id: str) -> None:
        with contextlib.suppress(JobNotFound):
            job, _ = await self._host.service.job(job_id)
            if self._host.is_mine(job) and Webhook.of(job.origin.request) is not None:
                await asyncio.to_thread(self._host.service.webhooks.expect, job_id)
                self._wake.set()

    async def _work(self) -> None:
        """Send what is due, what the last run left first."""
        await self._patiently(self._take_up)
        async with asyncio.TaskGroup() as group:
            while True:
                self._wake.clear()
                seconds = await self._patiently(lambda: self._begin(group))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await self._wake.wait()

    async def _patiently(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """The result of `attempt`, tried until the database can be used."""
        while True:
            try:
                return await attempt()
            except DatabaseUnavailable as error:
                logger.warning("webhooks have to wait: %s", error)
                await asyncio.sleep(DATABASE_PAUSE)

    async def _take_up(self) -> None:
        store = self._host.service.webhooks
        await asyncio.to_thread(store.sweep)
        for job_id in await asyncio.to_thread(store.owed, self._host.name):
            await asyncio.to_thread(store.expect, job_id)

    async def _begin(self, group: asyncio.TaskGroup) -> float:
        """Begin what is due and has a place; the seconds until something else may be."""
        store, name = self._host.service.webhooks, self._host.name
        room = PLACES - len(self._busy)
        if room <= 0:
            return LONGEST_SLEEP  # whoever leaves rings
        for due in await asyncio.to_thread(store.due, name, {*self._busy}, room):
            self._busy.add(due.job_id)
            group.create_task(self._attempt(due))
        moment = await asyncio.to_thread(store.next_due, name, {*self._busy})
        if moment is None:
            return LONGEST_SLEEP
        return min(max((moment - now()).total_seconds(), 0.0), LONGEST_SLEEP)

    async def _attempt(self, due: Due) -> None:
        store = self._host.service.webhooks
        try:
            outcome, pause = await self._patiently(lambda: self._deliver(due))
            again = None if pause is None else now() + timedelta(seconds=pause)
            await self._patiently(
                lambda: asyncio.to_thread(store.tried, due.job_id, outcome, again)
            )
        finally:
            self._busy.discard(due.job_id)
            self._wake.set()

    async def _deliver(self, due: Due) -> tuple[str, float | None]:
        """What came of a try, and the seconds until the next; None where there is none."""
        try:
            job, snapshot = await self._host.service.job(due.job_id)
        except JobNotFound:
            return "the job is forgotten", None
        webhook, body = Webhook.of(job.origin.request), message(job, snapshot)
        if webhook is None or body is None:
            return "there is nothing to tell any more", None
        return await self._send(webhook, body, due)

    async def _send(self, webhook: Webhook, body: bytes, due: Due) -> tuple[str, float | None]:
        signed = {SIGNATURE: signature(webhook.secret, body)} if webhook.secret else {}
        try:
            await self._sender.send(webhook, body, signed)
        except NotDelivered as error:
            is_last = isinstance(error, NeverDelivered) or due.tries >= len(PAUSES)
            end = "given up" if is_last else f"next try in {PAUSES[due.tries]} s"
            place = shown(webhook.url)
            logger.info("webhook of %s to %s: %s; %s", due.job_id, place, error, end)
            return str(error), None if is_last else PAUSES[due.tries]
        return "delivered", None


def _tell(work: asyncio.Task[None]) -> None:
    """Log what nobody foresaw; what is due then waits for the next start."""
    if not work.cancelled() and (error := work.exception()) is not None:
        logger.error("no webhooks are sent any more", exc_info=error)


def message(job: Job, snapshot: JobSnapshot) -> bytes | None:
    """What a receiver is told: what polling answers, and when; None where there is nothing to
    tell, since the image was deleted."""
    found = tasks.of_job(job, snapshot)
    if found is None:
        return None
    kept = job.origin.request
    sample = f"{kept.get('base_url', '')}/outputs/{found.file}"
    told = vocabulary.BY_NAME[kept.get("words", vocabulary.OWN.name)].polled(found, sample)
    ended = {**told, **vocabulary.failure(found), "timestamp": iso(job.finished_at)}
    return json.dumps(ended, ensure_ascii=False).encode()
