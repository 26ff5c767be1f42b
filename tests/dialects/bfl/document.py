"""What the klein backend's document prints, and what Black Forest Labs' own prints."""

from __future__ import annotations

from typing import Any

#: The model that the document's requests name.
MODEL = "flux-2-klein-4b"

ID = "20260121_115610_abcd1234"

REQUEST: dict[str, Any] = {
    "prompt": "A futuristic city at sunset, cinematic lighting",
    "aspect_ratio": "1:1",
    "steps": 4,
    "seed": 42,
}

QUEUED = {
    "id": "20260121_115610_abcd1234",
    "status": "Task_Queued",
    "polling_url": "http://api.qix.ee/v1/get_result?id=20260121_115610_abcd1234",
}

PROCESSING = {"id": "20260121_115610_abcd1234", "status": "Processing"}

READY = {
    "id": "20260121_115610_abcd1234",
    "status": "Ready",
    "result": {"sample": "http://api.qix.ee/outputs/flux_20260121_115610_abcd1234.png"},
}

HISTORY = [
    {
        "id": "20260121_115610_abcd1234",
        "prompt": "...",
        "model": "flux-2-klein-4b",
        "status": "Ready",
        "result_url": "http://api.qix.ee/outputs/flux_20260121_115610_abcd1234.png",
        "url": "http://api.qix.ee/outputs/flux_20260121_115610_abcd1234.png",
        "metadata": '{"aspect_ratio": "1:1", "steps": 4, "seed": 42}',
        "created_at": "2026-01-21T11:56:10",
    }
]

#: docs.bfl.ai, "Generate or edit an image with FLUX.2 [klein 4B]": what may be sent.
OWN_REQUEST: dict[str, Any] = {
    "prompt": "ein fantastisches bild",
    "seed": 42,
    "width": 0,
    "height": 0,
    "safety_tolerance": 2,
    "output_format": "jpeg",
}

#: The words of its answers.
OWN_ACCEPTED = {"id", "polling_url", "cost", "input_mp", "output_mp"}
OWN_STATE = {"id", "status", "result", "progress", "details", "preview"}
