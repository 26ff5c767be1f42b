"""What there is: models, samplers, upscalers, LoRAs, settings; and what there is none of."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse

from server.callers import Scope
from server.dialects.automatic1111 import listing, samplers
from server.dialects.automatic1111.checkpoints import Checkpoints, title
from server.dialects.automatic1111.enlarging import NONE
from server.dialects.automatic1111.refusals import WITH_BODY, answering, refusals
from server.errors import ModelNotFound
from server.http.access import needs
from server.http.host import DialectHost
from server.loras.record import LoraRecord
from server.worker.memory import of_host

#: What there is none of here, with the shape of the answer.
EMPTY: dict[str, tuple[Any, Any]] = {
    "sd-vae": (list[listing.NamedItem], []),
    "latent-upscale-modes": (list[listing.NamedItem], []),
    "hypernetworks": (list[listing.NamedItem], []),
    "face-restorers": (list[listing.NamedItem], []),
    "realesrgan-models": (list[listing.NamedItem], []),
    "prompt-styles": (list[listing.NamedItem], []),
    "extensions": (list[listing.NamedItem], []),
    "script-info": (list[listing.NamedItem], []),
    "scripts": (listing.Scripts, {"txt2img": [], "img2img": []}),
    "embeddings": (listing.Embeddings, {"loaded": {}, "skipped": {}}),
    "cmd-flags": (listing.Flags, {"api": True}),
}


def add(router: APIRouter, host: DialectHost, checkpoints: Checkpoints) -> None:
    """Add the routes."""
    _add_models(router, checkpoints)
    _add_methods(router, host, checkpoints)
    _add_loras(router, host)
    _add_options(router, checkpoints)
    _add_memory(router)
    for name, (shape, answer) in EMPTY.items():
        _add_constant(router, name, shape, answer)


def _add_models(router: APIRouter, checkpoints: Checkpoints) -> None:
    @router.get("/sd-models", response_model=list[listing.SdModel], responses=refusals())
    @needs(Scope.READ)
    async def sd_models() -> Any:
        """Lists the models that make images from words."""
        return [
            listing.SdModel(title=title(card), model_name=card.id, filename=card.id)
            for _, card in checkpoints.all()
        ]

    @router.post("/refresh-checkpoints", response_model=None, responses=answering(None))
    @needs(Scope.READ)
    async def refresh_checkpoints() -> None:
        """Does nothing: the list of models is always that of the configuration."""


def _add_methods(router: APIRouter, host: DialectHost, checkpoints: Checkpoints) -> None:
    @router.get("/samplers", response_model=list[listing.SamplerItem], responses=refusals())
    @needs(Scope.READ)
    async def list_samplers() -> Any:
        """Lists the samplers that models here have. Others are bent to a model's own."""
        return [
            listing.SamplerItem(name=samplers.title(word), aliases=[word], options={})
            for word in _sampler_words(host, checkpoints)
        ]

    @router.get("/schedulers", response_model=list[listing.SchedulerItem], responses=refusals())
    @needs(Scope.READ)
    async def schedulers() -> Any:
        """Lists the noise levels that samplers here can have. Others are bent to a model's own."""
        karras = listing.SchedulerItem(name="karras", label="Karras", default_rho=7)
        return [
            listing.SchedulerItem(name="automatic", label="Automatic"),
            *([karras] if any(map(_is_karras, _sampler_words(host, checkpoints))) else []),
        ]

    @router.get("/upscalers", response_model=list[listing.UpscalerItem], responses=refusals())
    @needs(Scope.READ)
    async def upscalers() -> Any:
        """Lists what makes images larger."""
        names = [NONE, *(card.title for card in host.upscalers())]
        return [listing.UpscalerItem(name=name, scale=4 if name != NONE else 1) for name in names]


def _add_loras(router: APIRouter, host: DialectHost) -> None:
    @router.get("/loras", response_model=list[listing.LoraItem], responses=refusals())
    @needs(Scope.READ)
    async def loras() -> Any:
        """Lists the LoRAs that some model here can use."""
        records = host.service.loras.records()
        return [_lora(record) for record in records if record.unsupported is None]

    @router.post("/refresh-loras", response_model=None, responses=answering(None))
    @needs(Scope.READ)
    async def refresh_loras() -> None:
        """Looks for LoRAs; it happens by itself too. The answer comes when they are listed."""
        await host.service.loras.rescan()


def _add_options(router: APIRouter, checkpoints: Checkpoints) -> None:
    @router.get("/options", response_model=listing.Options, responses=refusals(ModelNotFound))
    @needs(Scope.READ)
    async def options() -> Any:
        """Shows the settings."""
        chosen = await checkpoints.in_use()
        return listing.Options(sd_model_checkpoint=title(chosen.card))

    @router.post(
        "/options",
        response_model=None,
        responses=answering(None) | refusals(*WITH_BODY, ModelNotFound),
    )
    @needs(Scope.ADMIN)
    async def set_options(changes: listing.OptionChanges) -> None:
        """Chooses the model of requests through this API that name none. Other settings are
        accepted, and have no effect."""
        if changes.sd_model_checkpoint:
            await checkpoints.choose(changes.sd_model_checkpoint)


def _add_memory(router: APIRouter) -> None:
    @router.get("/memory", response_model=listing.MemoryUse, responses=refusals())
    @needs(Scope.READ)
    def memory() -> Any:
        """Shows the machine's memory. The device is another process's."""
        host = of_host()
        ram = {"free": host.free, "used": host.total - host.free, "total": host.total}
        return listing.MemoryUse(ram=ram, cuda={"error": "unavailable"})


def _add_constant(router: APIRouter, name: str, shape: Any, answer: Any) -> None:
    @needs(Scope.READ)
    async def constant() -> JSONResponse:
        """Always the same answer: there is none of this here."""
        return JSONResponse(answer)

    constant.__name__ = name.replace("-", "_")
    router.add_api_route(
        f"/{name}", constant, response_model=shape, responses=answering(answer), methods=["GET"]
    )


def _sampler_words(host: DialectHost, checkpoints: Checkpoints) -> list[str]:
    """Our words for all samplers of the models here, each once, in the models' order."""
    catalog = host.service.catalog
    schemas = (catalog.schema(card.id, lasting=True) for _, card in checkpoints.all())
    words = (samplers.offered(schema["properties"].get("sampler")) for schema in schemas)
    return list(dict.fromkeys(word for some in words for word in some))


def _is_karras(sampler: str) -> bool:
    return sampler.endswith("_karras")


def _lora(record: LoraRecord) -> listing.LoraItem:
    known = {
        "ss_output_name": record.path.stem,
        "ss_base_model_version": record.base_model,
        "ss_network_dim": record.rank,
        "ss_network_alpha": record.alpha,
        "sshs_model_hash": record.autov3,
        "sshs_legacy_hash": record.autov1,
        "modelspec.title": record.title,
        "modelspec.trigger_phrase": ", ".join(record.trigger_words) or None,
    }
    return listing.LoraItem(
        name=record.path.stem,
        alias=record.name,
        path=record.filename,
        metadata={name: value for name, value in known.items() if value is not None},
    )
