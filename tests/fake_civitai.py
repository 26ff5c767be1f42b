"""A civitai: its API about versions and models, and its downloads."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from tests.fake_http import Exchange, sha256

CIVITAI_KEY = "civitai-key"

#: The smallest PNG there is, of one grey pixel.
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55"
    "0000000a49444154789c6368000000820081"
    "dd436af40000000049454e44ae426082"
)

#: What each of civitai's models says of its licence.
LICENCE = {
    "allowNoCredit": False,
    "allowCommercialUse": ["Image"],
    "allowDerivatives": True,
    "allowDifferentLicense": False,
}

#: A pattern of paths, and what answers them with its groups.
Answer = tuple[str, Callable[..., None]]


class FakeCivitai:
    """The part of `FakeSources` that is civitai.

    Attributes:
        versions: its answers about versions, by id; see `add_version`.
        models: its answers about models, by id.
        early: ids of versions in early access.
        blobs: the file host's files by name.
        civitai_url: where it is.
    """

    civitai_url: str
    files_url: str

    def __init__(self) -> None:
        self.versions: dict[int, dict[str, Any]] = {}
        self.models: dict[int, dict[str, Any]] = {}
        self.early: set[int] = set()
        self.blobs: dict[str, bytes] = {}

    def add_version(self, version: int, model: int, data: bytes, **words: Any) -> dict[str, Any]:
        """A version with one safetensors file; `words` replace parts of the file's record."""
        self.blobs[sha256(data)] = data
        file = {
            "id": version * 10,
            "name": f"model_{version}.safetensors",
            "type": "Model",
            "sizeKB": round(len(data) / 1024, 2),
            "metadata": {"format": "SafeTensor", "size": "pruned", "fp": "fp16"},
            "hashes": {"SHA256": sha256(data).upper()},
            "downloadUrl": f"{self.civitai_url}/api/download/models/{version}",
            "primary": True,
            **words,
        }
        record = {"id": version, "modelId": model, "usageControl": "Download", "files": [file]}
        self.versions[version] = record
        listed = self.models.setdefault(model, {"id": model, "modelVersions": []})
        listed["modelVersions"].insert(0, {"id": version, "status": "Published"})
        return record

    def add_lora(self, version: int, model: int, data: bytes, **words: Any) -> dict[str, Any]:
        """A version of a LoRA with all that civitai says of one; `words` replace parts of it."""
        self.blobs["preview.png"] = PNG
        record = self.add_version(version, model, data, name=f"lora_{version}.safetensors")
        record |= {
            "name": f"v{version}",
            "baseModel": "Illustrious",
            "trainedWords": ["inkwash, ink wash", "paper"],
            "nsfwLevel": 1,
            "model": {"name": f"Lora {model}", "type": "LORA", "nsfw": False, "poi": False},
            "images": [
                {"url": f"{self.files_url}/blobs/film.mp4", "type": "video"},
                {"url": f"{self.files_url}/blobs/preview.png", "type": "image", "nsfwLevel": 1},
            ],
            "air": f"urn:air:sdxl:lora:civitai:{model}@{version}",
            **words,
        }
        return record

    def civitai_answers(self) -> Iterator[Answer]:
        """What it answers, by patterns of paths."""
        yield r"/api/v1/model-versions/by-hash", self._civitai_by_hash
        yield r"/api/v1/model-versions/(\d+)", self._civitai_version
        yield r"/api/v1/models", self._civitai_models
        yield r"/api/v1/models/(\d+)", self._civitai_model
        yield r"/api/download/models/(\d+)", self._civitai_file

    def _civitai_version(self, exchange: Exchange, number: str) -> None:
        self._record(exchange, self.versions.get(int(number)), "version")

    def _civitai_model(self, exchange: Exchange, number: str) -> None:
        self._record(exchange, self.models.get(int(number)), "model")

    def _record(self, exchange: Exchange, record: dict[str, Any] | None, what: str) -> None:
        if record is None:
            exchange.json(404, {"error": f"No {what} with this id"})
        else:
            exchange.json(200, record)

    def _civitai_file(self, exchange: Exchange, number: str) -> None:
        if exchange.headers.get("Content-Type") != "application/json":
            exchange.redirect(f"{self.civitai_url}/login", 307)
        elif exchange.key != CIVITAI_KEY:
            exchange.json(401, {"error": "Unauthorized", "message": "Log in to download"})
        elif int(number) in self.early:
            exchange.json(403, {"error": "Early Access", "deadline": "2030-01-01"})
        else:
            digest = self.versions[int(number)]["files"][0]["hashes"]["SHA256"].lower()
            exchange.redirect(f"{self.files_url}/blobs/{digest}", 307)

    def _civitai_models(self, exchange: Exchange) -> None:
        ids = [int(number) for number in exchange.query["ids"][0].split(",")]
        found = [{**self.models[number], **LICENCE} for number in ids if number in self.models]
        exchange.json(200, {"items": found, "metadata": {}})

    def _civitai_by_hash(self, exchange: Exchange) -> None:
        hashes = json.loads(exchange.body)
        sound = all(len(digest) == 64 and digest.isupper() for digest in hashes)
        if exchange.command != "POST" or len(hashes) > 100 or not sound:
            exchange.json(400, {"error": "Request must include an array of SHA256 Hashes."})
            return
        found = [
            version
            for version in self.versions.values()
            if version["files"][0]["hashes"]["SHA256"] in hashes
        ]
        # A version whose file is gone leaves a null in its place.
        exchange.json(200, [*found, None])
