"""What the API's documentation prints: bodies, messages and clients, word for word."""

from __future__ import annotations

import json
from typing import Any

#: What `GET /health` answers.
HEALTH: dict[str, Any] = json.loads("""
{
  "status": "healthy",
  "model": "black-forest-labs/FLUX.1-schnell",
  "device": "cuda",
  "version": "1.0.0"
}
""")

#: What `POST /generate` is sent …
REQUEST: dict[str, Any] = json.loads("""
{
  "prompt": "A majestic mountain landscape at sunset with snow-capped peaks",
  "steps": 30,
  "cfg_scale": 4.0,
  "seed": 42,
  "width": 1024,
  "height": 1024
}
""")

#: … and answers …
GENERATED: dict[str, Any] = json.loads("""
{
  "success": true,
  "image": "data:image/png;base64,iVBORw0KGgoAAAANS...",
  "duration": 12.5
}
""")

#: … or, where something is wrong.
FAILURE: dict[str, Any] = json.loads("""
{
  "success": false,
  "error": "Error message describing what went wrong",
  "duration": 0.5
}
""")

#: What `GET /models` answers.
MODELS: dict[str, Any] = json.loads("""
{
  "models": [
    "black-forest-labs/FLUX.1-schnell",
    "black-forest-labs/FLUX.1-dev"
  ]
}
""")

#: A message of the client, and those of the server.
WISH: dict[str, Any] = json.loads("""
{
  "type": "generate",
  "data": {
    "prompt": "A beautiful sunset",
    "steps": 30,
    "cfg_scale": 4.0,
    "seed": -1,
    "width": 1024,
    "height": 1024
  }
}
""")

PROGRESS: dict[str, Any] = json.loads("""
{
  "type": "progress",
  "data": {
    "step": 15,
    "total_steps": 30,
    "percentage": 50
  }
}
""")

COMPLETE: dict[str, Any] = json.loads("""
{
  "type": "complete",
  "data": {
    "image": "data:image/png;base64,...",
    "duration": 12.5
  }
}
""")

ERROR: dict[str, Any] = json.loads("""
{
  "type": "error",
  "data": {
    "error": "Error message"
  }
}
""")

#: The bodies that its calls of curl send.
CURLS: list[dict[str, Any]] = [
    json.loads(body)
    for body in (
        """{
    "prompt": "A futuristic city with flying cars",
    "steps": 30,
    "cfg_scale": 4.0,
    "seed": -1,
    "width": 1024,
    "height": 1024
  }""",
        """{"prompt": "A magical forest"}""",
        """{
    "prompt": "A futuristic spacecraft in deep space",
    "steps": 40,
    "cfg_scale": 5.0,
    "seed": 12345,
    "width": 1280,
    "height": 768
  }""",
        """{"prompt": "A sunset"}""",
    )
]

#: The scripts for web pages: a socket, an image, and one that is asked for again.
SOCKET = """
const ws = new WebSocket('ws://localhost:7860/ws');

ws.onopen = () => {
  console.log('Connected to WebSocket');
};

ws.onmessage = (event) => {
  const data = JSON.parse(event.data);
  console.log('Progress:', data.progress);
};
"""

SCRIPT = """
async function generateImage(prompt) {
  try {
    const response = await fetch('/generate', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ prompt })
    });

    const data = await response.json();

    if (!response.ok) {
      throw new Error(data.error || 'Generation failed');
    }

    return data.image;
  } catch (error) {
    // Handle network errors
    if (!error.response) {
      console.error('Network error:', error);
      throw new Error('Unable to connect to server');
    }

    // Handle API errors
    throw error;
  }
}
"""

RETRIES = """
async function generateWithRetry(prompt, maxRetries = 3) {
  for (let i = 0; i < maxRetries; i++) {
    try {
      return await generateImage(prompt);
    } catch (error) {
      if (i === maxRetries - 1) throw error;

      // Exponential backoff
      const delay = Math.pow(2, i) * 1000;
      await new Promise(resolve => setTimeout(resolve, delay));
    }
  }
}
"""

#: The client in Python, with its use.
CLIENT = '''
import requests
from typing import Optional, Dict, Any

class FluxKreaClient:
    def __init__(self, api_url: str, api_key: Optional[str] = None):
        self.api_url = api_url.rstrip('/')
        self.api_key = api_key
        self.session = requests.Session()

        if api_key:
            self.session.headers['X-API-Key'] = api_key

    def generate(
        self,
        prompt: str,
        steps: int = 30,
        cfg_scale: float = 4.0,
        seed: int = -1,
        width: int = 1024,
        height: int = 1024
    ) -> str:
        """Generate an image from a prompt."""

        response = self.session.post(
            f"{self.api_url}/generate",
            json={
                "prompt": prompt,
                "steps": steps,
                "cfg_scale": cfg_scale,
                "seed": seed,
                "width": width,
                "height": height
            }
        )

        response.raise_for_status()
        data = response.json()

        if not data["success"]:
            raise Exception(data["error"])

        return data["image"]

    def health_check(self) -> Dict[str, Any]:
        """Check API health status."""
        response = self.session.get(f"{self.api_url}/health")
        response.raise_for_status()
        return response.json()

# Usage
client = FluxKreaClient("http://localhost:7860")
image_data = client.generate(
    "A serene Japanese garden",
    steps=35,
    seed=42
)

# Save image
import base64
image_bytes = base64.b64decode(image_data.split(",")[1])
with open("generated.png", "wb") as f:
    f.write(image_bytes)
'''

#: Where the client in Python looks for the server.
ADDRESS = "http://localhost:7860"

#: How many images callers of each tier may ask for in a minute.
PER_MINUTE = {"anonymous": 10, "authenticated": 30, "pro": 60}
