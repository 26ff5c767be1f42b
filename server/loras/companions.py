"""What is put beside a downloaded LoRA: where it comes from, what its page says, and a picture."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from server.loras.offers import Offer
from server.loras.placing import Beside
from server.loras.previews import find_preview
from server.loras.references import RemoteLora, name_of
from server.loras.sidecars import CIVITAI, RECORD
from server.source_errors import SourceFailed
from server.sources import civitai
from server.sources.civitai import Version
from server.sources.client import SourceClient
from server.sources.kinds import Civitai

log = logging.getLogger(__name__)


async def companions(
    reference: RemoteLora, offer: Offer, sha256: str, client: SourceClient
) -> tuple[Beside, tuple[str, ...]]:
    """What to put beside a file, and what is to be said about it. What cannot be had is left out.

    Args:
        reference: what was asked for.
        offer: what it came to.
        sha256: of the file.
        client: an open client.
    """
    told = download_record(_told_reference(reference, offer), sha256)
    notes = [*offer.notes]
    if offer.version is None:
        return Beside(texts={RECORD: told}), tuple(notes)
    preview = None
    try:
        preview = await find_preview(offer.version.images, client)
    except SourceFailed as error:
        notes.append(f"It has no preview: {error.message}")
    model = offer.version.model_id
    licence = {} if model is None else (await licences([model], client)).get(model, {})
    record = with_licence(offer.version, licence)
    return Beside(texts={RECORD: told, CIVITAI: record}, preview=preview), tuple(notes)


def download_record(reference: str, sha256: str) -> dict[str, Any]:
    """Our own words about a file: where it comes from, its hash, and that it came now."""
    moment = datetime.now(UTC).isoformat(timespec="seconds")
    return {"reference": reference, "sha256": sha256, "downloaded_at": moment}


async def licences(
    models: Collection[int], client: SourceClient
) -> Mapping[int, Mapping[str, Any]]:
    """The licence flags of civitai's models, by model; see `civitai.licences_of`. A LoRA does as
    well without: what cannot be had is left out."""
    if not models:
        return {}
    try:
        return await civitai.licences_of(models, client)
    except SourceFailed as error:
        log.warning("the licences of models %s are not known: %s", models, error)
        return {}


def with_licence(version: Version, licence: Mapping[str, Any]) -> dict[str, Any]:
    """Civitai's words about a version with these flags where other programs look for them, at its
    model."""
    model = version.record.get("model")
    return {**version.record, "model": {**(model if isinstance(model, dict) else {}), **licence}}


def _told_reference(reference: RemoteLora, offer: Offer) -> str:
    """Where a file comes from; of civitai the very version."""
    if offer.version is not None:
        return str(Civitai(offer.version.model_id, offer.version.id))
    return name_of(reference)
