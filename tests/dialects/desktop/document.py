"""The examples of this API's document, word for word; what it prints of its own addresses and paths
(`path/to/image.jpg`, `https://im.runware.ai/…`) stands for whatever is there."""

from __future__ import annotations

import json
from typing import Any

HEALTH: dict[str, Any] = json.loads("""
{
  "status": "ok",
  "version": "0.1.0"
}
""")

TEXT_TO_IMAGE: dict[str, Any] = json.loads("""
{
  "prompt": "A beautiful sunset over mountains",
  "negativePrompt": "blurry, low quality",
  "width": 512,
  "height": 512,
  "steps": 25,
  "cfgScale": 7.5,
  "seed": 42
}
""")

GENERATED: dict[str, Any] = json.loads("""
{
  "success": true,
  "data": {
    "id": 1,
    "prompt": "A beautiful sunset over mountains",
    "filePath": "/generated/image_1.jpg",
    "url": "https://im.runware.ai/image/...",
    "seed": 42,
    "created_at": "2026-01-02T10:00:00Z"
  }
}
""")

NO_PROMPT: dict[str, Any] = json.loads("""
{
  "success": false,
  "error": "Prompt is required"
}
""")

TIMEOUT: dict[str, Any] = json.loads("""
{
  "success": false,
  "error": "Generation failed: API timeout"
}
""")

IMAGE_TO_IMAGE: dict[str, Any] = json.loads("""
{
  "seedImage": "path/to/image.jpg",
  "prompt": "A futuristic cyberpunk version",
  "strength": 0.7,
  "steps": 25,
  "cfgScale": 7.5
}
""")

UPSCALE: dict[str, Any] = json.loads("""
{
  "imagePath": "path/to/image.jpg",
  "scale": 2
}
""")

HISTORY: dict[str, Any] = json.loads("""
{
  "success": true,
  "data": [
    {
      "id": 1,
      "type": "image",
      "prompt": "A beautiful sunset",
      "filePath": "/generated/image_1.jpg",
      "created_at": "2026-01-02T10:00:00Z"
    }
  ],
  "total": 1
}
""")

SHOWN: dict[str, Any] = json.loads("""
{
  "success": true,
  "data": {
    "id": 1,
    "type": "image",
    "prompt": "A beautiful sunset",
    "parameters": {
      "width": 512,
      "height": 512,
      "steps": 25,
      "seed": 42
    },
    "filePath": "/generated/image_1.jpg",
    "url": "https://im.runware.ai/image/...",
    "created_at": "2026-01-02T10:00:00Z"
  }
}
""")

NOT_FOUND: dict[str, Any] = json.loads("""
{
  "success": false,
  "error": "Generation not found"
}
""")

DELETED: dict[str, Any] = json.loads("""
{
  "success": true,
  "message": "Generation deleted"
}
""")

SETTINGS: dict[str, Any] = json.loads("""
{
  "success": true,
  "data": {
    "storagePath": "./generated",
    "defaultWidth": 512,
    "defaultHeight": 512,
    "defaultSteps": 25
  }
}
""")

CHANGE: dict[str, Any] = json.loads("""
{
  "storagePath": "./custom/path",
  "defaultWidth": 768,
  "defaultHeight": 768
}
""")

CHANGED: dict[str, Any] = json.loads("""
{
  "success": true,
  "message": "Settings updated",
  "data": {
    "storagePath": "./custom/path",
    "defaultWidth": 768,
    "defaultHeight": 768
  }
}
""")

PROGRESS: dict[str, Any] = json.loads("""
{
  "type": "progress",
  "taskId": "task-id",
  "progress": 50,
  "status": "generating"
}
""")

STATUSES = ("queued", "generating", "completed", "failed")

#: The keys and types of `interface Generation` and `interface Settings`.
GENERATION: dict[str, Any] = {
    "id": 1,
    "type": "image",
    "prompt": "",
    "parameters": {"width": 1, "height": 1, "steps": 1, "cfgScale": 0.5, "seed": 1},
    "filePath": "",
    "url": "",
    "createdAt": "",
}
EVERY_SETTING: dict[str, Any] = {
    "storagePath": "",
    "defaultWidth": 1,
    "defaultHeight": 1,
    "defaultSteps": 1,
    "defaultCfgScale": 0.5,
}


def shape(value: Any, like: Any) -> Any:
    """What `value` has of the keys that `like` has, by their types; every number is one type."""
    if isinstance(like, dict):
        return {key: shape(value.get(key), item) for key, item in like.items()}
    if isinstance(like, list):
        return [shape(item, like[0]) for item in value[:1]]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return "number" if is_number else type(value).__name__


def part(value: Any, like: Any) -> Any:
    """What `value` has of the keys that `like` has."""
    if isinstance(like, dict):
        return {key: part(value.get(key), item) for key, item in like.items()}
    return value
