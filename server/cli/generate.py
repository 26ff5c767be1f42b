"""`darkroom generate`."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from server.cli.console import err, out
from server.cli.lora_option import FORM, ref_of
from server.cli.options import ConfigOption, DeviceOption, KeyOption, PluginFolderOption, examples
from server.errors import JobAlreadyEnded, JobFailure, ShuttingDown
from server.image_sources import data_uri
from server.records import JobStatus

if TYPE_CHECKING:
    from server.cli.destination import Destination
    from server.cli.sessions import Session
    from server.snapshots import JobSnapshot

EXAMPLES = examples(
    'darkroom generate "a red circle on a blue ground"',
    'darkroom generate "a snowy mountain at night" --seed 7 --steps 30 -o mountain.png',
    'darkroom generate "the same house in winter" --image house.jpg --set strength=0.5',
    'darkroom generate "a sailboat" --lora style:0.8 --lora civitai_1963644',
    'darkroom generate "a green square" -n 4 -o squares.png --server http://127.0.0.1:8000',
)


def generate(
    prompt: Annotated[str, typer.Argument(help="What the image shows.", show_default=False)],
    *,
    model: Annotated[str | None, typer.Option(help="The model's id or alias.")] = None,
    negative: Annotated[str | None, typer.Option(help="What must not be in it.")] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same image.")] = None,
    steps: Annotated[int | None, typer.Option(help="Denoising steps.")] = None,
    width: Annotated[int | None, typer.Option(help="Width in pixels.")] = None,
    height: Annotated[int | None, typer.Option(help="Height in pixels.")] = None,
    cfg_scale: Annotated[
        float | None, typer.Option(help="How strictly the image follows the prompt.")
    ] = None,
    sampler: Annotated[str | None, typer.Option(help="How the denoising steps go.")] = None,
    num_images: Annotated[
        int, typer.Option("--num-images", "-n", min=1, help="How many images to make.")
    ] = 1,
    image: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="An image to begin with: PNG, JPEG or WebP.",
            show_default=False,
        ),
    ] = None,
    loras: Annotated[
        list[str] | None,
        typer.Option(
            "--lora",
            metavar="LORA",
            help=f"{FORM}: a LoRA by its id, file name or name (see darkroom loras), how strongly "
            "it acts and how strongly its trigger words do; repeatable.",
        ),
    ] = None,
    others: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=JSON", help="Any other parameter of the model; repeatable."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="The PNG to write, or a folder; unset: the current one, with the job's name.",
            show_default=False,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files.")] = False,
    server: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Use this running server, not a private worker."),
    ] = None,
    key: KeyOption = None,
    config: ConfigOption = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            help="The data folder whose LoRAs and models a private worker uses; unset: as for "
            "the server.",
            show_default=False,
        ),
    ] = None,
    device: DeviceOption = None,
    plugin_folder: PluginFolderOption = None,
) -> None:
    """Make images, in a private worker or on a running server.

    Standard output has the path of each and nothing else. Ctrl-C cancels the job.
    """
    from server.cli.destination import Destination
    from server.cli.remote import remote
    from server.cli.sessions import names_loras, private

    logging.basicConfig(level="WARNING", format="%(levelname)s: %(message)s")
    body = _body(
        others or (),
        prompt=prompt,
        model=model,
        negative_prompt=negative,
        seed=seed,
        steps=steps,
        width=width,
        height=height,
        cfg_scale=cfg_scale,
        sampler=sampler,
        num_images=num_images,
    )
    if image is not None:
        body["init_image"] = _image(image, body)
    if loras:
        body["loras"] = _loras(loras, body)
    destination = Destination(_png_or_folder(output), num_images, force)
    destination.check()
    if server is None:
        own = {"data": data, "device": device, "plugin_folder": plugin_folder}
        place = private(config, with_loras=names_loras(body), **own)
    else:
        place = remote(server, key)
    ended = asyncio.run(_generate(place, body, destination))
    for warning in ended.warnings:
        err.print(f"warning: {warning}", style="yellow")
    if ended.status is not JobStatus.COMPLETED:
        raise ended.failure or JobFailure("It was cancelled.")


def _body(others: Iterable[str], **words: Any) -> dict[str, Any]:
    """The request: the options that were given, and the assignments `NAME=JSON`."""
    body = {name: value for name, value in words.items() if value is not None}
    for assignment in others:
        name, _, value = assignment.partition("=")
        if name in words:
            raise typer.BadParameter(f"{name} has an option of its own: see --help.")
        try:
            body[name] = json.loads(value)
        except ValueError:
            raise typer.BadParameter(
                f"--set {assignment}: what follows the = is not JSON. A text needs its own "
                f"quotes: --set '{name}=\"{value}\"'."
            ) from None
    return body


def _image(path: Path, body: Mapping[str, Any]) -> str:
    if "init_image" in body:
        raise typer.BadParameter("init_image is given too; give one of them.", param_hint="--image")
    return data_uri(path.read_bytes())


def _loras(texts: Iterable[str], body: Mapping[str, Any]) -> list[dict[str, Any]]:
    if "loras" in body:
        raise typer.BadParameter("loras is given too; give one of them.", param_hint="--lora")
    return [ref_of(text) for text in texts]


def _png_or_folder(output: Path | None) -> Path:
    path = output or Path()
    if not path.is_dir() and path.suffix.lower() != ".png":
        raise typer.BadParameter(
            f"{path} is neither a folder nor ends with .png, which every image is.",
            param_hint="--output",
        )
    return path


async def _generate(
    place: AbstractAsyncContextManager[Session], body: dict[str, Any], destination: Destination
) -> JobSnapshot:
    async with place as session:
        job_id = await session.submit(body)
        try:
            return await _develop(session, job_id, destination)
        except asyncio.CancelledError:  # Ctrl-C
            err.print("cancelling the job", style="yellow")
            with suppress(JobAlreadyEnded):
                await session.cancel(job_id)
            raise


async def _develop(session: Session, job_id: str, destination: Destination) -> JobSnapshot:
    """Show the job until it ends, and write each image as soon as it exists."""
    from server.cli.progress import display

    paths: list[Path] = []
    try:
        with display() as shown:
            async with aclosing(session.watch(job_id)) as snapshots:
                async for snapshot in snapshots:
                    shown.show(snapshot)
                    for image in snapshot.images[len(paths) :]:
                        png = await session.fetch(image["filename"])
                        paths.append(destination.write(image["filename"], len(paths), png))
                    if snapshot.status.ended:
                        return snapshot
    finally:
        # Not in between: on a terminal the bar is drawn where they would be written.
        for path in paths:
            out.print(path)
    raise ShuttingDown("The server stopped before the job ended; it goes on with its next start.")
