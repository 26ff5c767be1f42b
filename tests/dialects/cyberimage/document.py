"""What the document of the API prints: bodies, answers, and a client."""

from __future__ import annotations

from typing import Any

MODELS: dict[str, Any] = {
    "models": {
        "flux-1": {"id": "black-forest-labs/FLUX.1-dev", "description": "FLUX base model"},
        "sd-3.5": {
            "id": "stabilityai/stable-diffusion-3.5-large",
            "description": "Latest Stable Diffusion model with improved quality and speed",
        },
        "flux-abliterated": {
            "id": "aoxo/flux.1dev-abliteratedv2",
            "description": "FLUX Abliterated variant",
        },
    },
    "default": "flux-2",
}

GENERATE_BODY: dict[str, Any] = {
    "model_id": "flux-1",
    "prompt": "Your detailed image description",
    "negative_prompt": "Optional text describing what you don't want in the image",
    "settings": {
        "num_images": 1,
        "num_inference_steps": 30,
        "guidance_scale": 7.5,
        "height": 1024,
        "width": 1024,
        "max_sequence_length": 512,
    },
}

GENERATED: dict[str, Any] = {
    "job_id": "0c907066-985e-467b-8d11-07419060ef91",
    "status": "pending",
    "num_images": 1,
    "message": "Image generation job submitted successfully for 1 image(s)",
}

PROCESSING: dict[str, Any] = {
    "id": "0c907066-985e-467b-8d11-07419060ef91",
    "status": "processing",
    "model_id": "flux-1",
    "prompt": "A cyberpunk city at night...",
    "negative_prompt": "blurry, text",
    "settings": {"num_inference_steps": 35, "guidance_scale": 8.0, "height": 1024, "width": 1024},
    "created_at": "2024-03-20T10:30:00Z",
    "started_at": "2024-03-20T10:30:01Z",
    "completed_at": None,
    "message": "Generating image 1 of 2... Step 15/30",
    "progress": {
        "preparing": False,
        "loading_model": False,
        "generating": True,
        "saving": False,
        "completed": False,
        "failed": False,
        "step": 15,
        "total_steps": 30,
    },
    "images": [],
}

COMPLETED: dict[str, Any] = {
    "id": "0c907066-985e-467b-8d11-07419060ef91",
    "status": "completed",
    "model_id": "flux-1",
    "prompt": "A cyberpunk city at night...",
    "negative_prompt": "blurry, text",
    "settings": {"num_inference_steps": 35, "guidance_scale": 8.0, "height": 1024, "width": 1024},
    "created_at": "2024-03-20T10:30:00Z",
    "started_at": "2024-03-20T10:30:01Z",
    "completed_at": "2024-03-20T10:31:00Z",
    "message": "Generated 2 image(s)",
    "progress": {
        "preparing": False,
        "loading_model": False,
        "generating": False,
        "saving": False,
        "completed": True,
        "failed": False,
        "step": 30,
        "total_steps": 30,
    },
    "images": [
        {
            "id": "img_123456",
            "file_path": "2024/03/20/img_123456.png",
            "created_at": "2024-03-20T10:30:45",
            "metadata": {
                "model_id": "flux-1",
                "prompt": "A cyberpunk city at night...",
                "negative_prompt": None,
                "settings": {
                    "num_inference_steps": 35,
                    "guidance_scale": 8.0,
                    "height": 1024,
                    "width": 1024,
                },
                "image_number": 1,
                "total_images": 2,
            },
        },
        {
            "id": "img_123457",
            "file_path": "2024/03/20/img_123457.png",
            "created_at": "2024-03-20T10:31:00",
            "metadata": {
                "model_id": "flux-1",
                "prompt": "A cyberpunk city at night...",
                "negative_prompt": None,
                "settings": {
                    "num_inference_steps": 35,
                    "guidance_scale": 8.0,
                    "height": 1024,
                    "width": 1024,
                },
                "image_number": 2,
                "total_images": 2,
            },
        },
    ],
}

METADATA: dict[str, Any] = {
    "model_id": "flux-1",
    "prompt": "A cyberpunk city at night...",
    "negative_prompt": None,
    "settings": {"num_inference_steps": 35, "guidance_scale": 8.0, "height": 1024, "width": 1024},
    "generation_time": 1616257845.123,
    "image_number": 1,
    "total_images": 2,
}

DELETED: dict[str, Any] = {"status": "success", "message": "Image deleted successfully"}

QUEUE: dict[str, Any] = {
    "pending": 2,
    "processing": 1,
    "completed": 150,
    "failed": 3,
    "total": 156,
    "queue_size": 2,
}

DETAILED_QUEUE: dict[str, Any] = {
    "pending": 2,
    "processing": 1,
    "completed": 150,
    "failed": 3,
    "total": 156,
    "queue_size": 2,
    "recent_24h": {"pending": 1, "processing": 1, "completed": 25, "failed": 2, "total": 29},
    "avg_processing_time_seconds": 45.23,
    "models": {
        "flux-1": {"pending": 1, "processing": 0, "completed": 10, "failed": 1, "total": 12},
        "sd-3.5": {"pending": 0, "processing": 1, "completed": 15, "failed": 1, "total": 17},
    },
    "failure_rate": 7.41,
}

RESET: dict[str, Any] = {
    "status": "success",
    "reset_count": 2,
    "message": "Reset 2 stalled jobs to pending status",
}

GALLERY: dict[str, Any] = {
    "images": [
        {
            "id": "img_123456",
            "model_id": "flux-1",
            "prompt": "A cyberpunk city at night...",
            "created_at": "2024-03-20T10:31:00Z",
            "settings": {"num_inference_steps": 35, "guidance_scale": 8.0},
        },
        {
            "id": "img_123457",
            "model_id": "sd-3.5",
            "prompt": "A fantasy landscape with mountains...",
            "created_at": "2024-03-20T10:15:00Z",
            "settings": {"num_inference_steps": 30, "guidance_scale": 7.5},
        },
    ],
    "page": 1,
    "limit": 20,
    "has_more": True,
    "total": 156,
}

ENRICH_BODY: dict[str, Any] = {"prompt": "a castle on a hill", "style": "fantasy"}

ENRICHED: dict[str, Any] = {
    "original_prompt": "a castle on a hill",
    "enriched_prompt": "a majestic fantasy castle perched atop a rolling hill, ancient stone "
    "architecture with ornate towers and flying buttresses, lush magical "
    "landscape surrounding the fortress, ethereal mist rising from the "
    "valley below, dramatic sky with scattered clouds, golden hour "
    "lighting, richly detailed textures, digital painting, concept art, 8k "
    "resolution",
    "style": "fantasy",
}

ERROR: dict[str, Any] = {"status": "error", "message": "Error description"}

CURL_BODY: dict[str, Any] = {
    "model_id": "sd-3.5",
    "prompt": "A cyberpunk city at night with neon signs and flying cars, highly detailed",
    "negative_prompt": "blurry, low quality, distorted, bad anatomy, text, watermark",
    "settings": {
        "num_images": 2,
        "num_inference_steps": 35,
        "guidance_scale": 8.0,
        "height": 1024,
        "width": 1024,
    },
}

#: The status words of jobs.
STATUS_WORDS = ("pending", "processing", "completed", "failed")

#: The example of a client, whole.
CLIENT = """\
import requests
import time

API_BASE = "http://localhost:5050/api"

# 1. Get available models
models = requests.get(f"{API_BASE}/models").json()

# 2. Submit generation request
response = requests.post(f"{API_BASE}/generate", json={
    "model_id": "flux-1",
    "prompt": "A cyberpunk city at night with neon signs and flying cars",
    "settings": {
        "num_images": 2,
        "num_inference_steps": 35,
        "guidance_scale": 8.0
    }
})
job_id = response.json()["job_id"]

# 3. Poll for completion
while True:
    status = requests.get(f"{API_BASE}/status/{job_id}").json()

    # Display progress information
    if status["status"] == "processing" and "progress" in status:
        progress = status["progress"]
        if progress["generating"] and progress["step"] is not None:
            print(f"Generating: Step {progress['step']}/{progress['total_steps']}")

    if status["status"] == "completed":
        # 4. Download all generated images
        for i, image_info in enumerate(status["images"]):
            image_id = image_info["id"]
            image = requests.get(f"{API_BASE}/get_image/{image_id}")
            with open(f"generated_image_{i+1}.png", "wb") as f:
                f.write(image.content)
            print(f"Saved image {i+1}/{len(status['images'])}")
        break
    elif status["status"] == "failed":
        print(f"Generation failed: {status.get('message')}")
        break

    time.sleep(5)
"""
