"""What OpenAI's API reference prints: requests, answers, events; and what other programs send.

Sources: developers.openai.com/api/reference, "Images", read in November 2026; the requests of the
AI SDK (`@ai-sdk/openai-compatible` and `@ai-sdk/openai`), of litellm and of Open WebUI, as their
own sources build them. Images are left out.
"""

from __future__ import annotations

from typing import Any

#: Create image.
REQUEST: dict[str, Any] = {
    "model": "gpt-image-1",
    "prompt": "A cute baby sea otter",
    "n": 1,
    "size": "1024x1024",
}

RESPONSE: dict[str, Any] = {
    "created": 1713833628,
    "data": [{"b64_json": "..."}],
    "usage": {
        "total_tokens": 100,
        "input_tokens": 50,
        "output_tokens": 50,
        "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
    },
}

#: Create image, streaming: the words of its events.
STREAMED: dict[str, Any] = {**REQUEST, "stream": True}

PARTIAL = {
    "type": "image_generation.partial_image",
    "b64_json": "...",
    "created_at": 1620000000,
    "size": "1024x1024",
    "quality": "high",
    "background": "transparent",
    "output_format": "png",
    "partial_image_index": 0,
}

COMPLETED = {
    "type": "image_generation.completed",
    "b64_json": "...",
    "created_at": 1620000000,
    "size": "1024x1024",
    "quality": "high",
    "background": "transparent",
    "output_format": "png",
    "usage": {
        "total_tokens": 100,
        "input_tokens": 50,
        "output_tokens": 50,
        "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
    },
}

#: Create image edit: the texts of its form, beside four files `image[]`.
EDIT = {
    "model": "gpt-image-1",
    "prompt": "Create a lovely gift basket with these four items in it",
}

#: Create image edit, as JSON.
JSON_EDIT: dict[str, Any] = {
    "model": "gpt-image-1",
    "images": [{"image_url": "data:image/png;base64,..."}],
    "prompt": "Add a watercolor effect to this image",
}

#: List models, one of the list.
MODEL: dict[str, Any] = {
    "id": "model-id-0",
    "object": "model",
    "created": 1686935002,
    "owned_by": "organization-owner",
}

#: The error of a wrong key.
ERROR = {
    "error": {
        "message": "Incorrect API key provided.",
        "type": "invalid_request_error",
        "param": None,
        "code": "invalid_api_key",
    }
}

#: What other programs send to `/images/generations`.
OTHERS: dict[str, dict[str, Any]] = {
    "AI SDK, OpenAI-compatible": {
        "model": "gpt-image-1",
        "prompt": "a teal boat",
        "n": 1,
        "size": "1024x1024",
        "response_format": "b64_json",
    },
    "AI SDK, OpenAI": {
        "model": "gpt-image-1",
        "prompt": "a teal boat",
        "n": 2,
        "size": "1536x1024",
        "quality": "high",
        "background": "transparent",
        "output_format": "png",
    },
    "litellm": {
        "model": "gpt-image-1",
        "prompt": "a teal boat",
        "n": 1,
        "quality": "standard",
        "style": "vivid",
        "size": "1792x1024",
        "user": "somebody",
        "response_format": "b64_json",
    },
    "Open WebUI": {
        "model": "gpt-image-1",
        "prompt": "a teal boat",
        "n": 1,
        "size": "512x512",
        "response_format": "b64_json",
    },
}
