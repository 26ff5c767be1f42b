"""The gallery as this API shows it: of every job the first image."""

from __future__ import annotations

from typing import Any

from server.dialects.bfl import task, translate
from server.http.host import DialectHost
from server.records import ImageRecord, Job, submitted_at

#: The most entries of a page.
LARGEST_PAGE = 200

#: SQLite counts no further.
LARGEST_OFFSET = 2**62


async def page(
    host: DialectHost, base_url: str, *, limit: int, offset: int, query: str | None
) -> list[dict[str, Any]]:
    """Entries, newest first.

    Args:
        host: the server.
        base_url: the address that images' addresses begin with.
        limit: how many; brought to 1 … 200.
        offset: how many to pass over.
        query: words that all begin a word of the prompt.
    """
    found = await host.service.pictures.page(
        limit=min(max(limit, 1), LARGEST_PAGE),
        offset=min(max(offset, 0), LARGEST_OFFSET),
        prompt=query and query.strip(),
        firsts=True,
    )
    jobs = await host.service.jobs_named(image.job_id for image in found.images)
    return [_entry(host, base_url, image, jobs.get(image.job_id)) for image in found.images]


def _entry(host: DialectHost, base_url: str, image: ImageRecord, job: Job | None) -> dict[str, Any]:
    own = job if job and host.is_mine(job) else None
    url = f"{base_url}/outputs/{task.file_name(image.job_id, own)}"
    return {
        "id": image.job_id,
        "prompt": image.recipe.get("prompt", ""),
        "model": host.model_name(job) if job else image.model,
        "status": "Ready",
        "result_url": url,
        "url": url,
        "metadata": translate.metadata(image, own),
        "created_at": f"{submitted_at(image.job_id):%Y-%m-%dT%H:%M:%S}",
    }
