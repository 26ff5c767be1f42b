"""`darkroom models`, `darkroom models pull ID` and `darkroom models remove ID`."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from server.cli.console import err, out, print_json, print_table, size_of
from server.cli.options import (
    ConfigOption,
    DataOption,
    JsonOption,
    PluginFolderOption,
    examples,
    settings_of,
)
from server.config import Settings, load_settings
from server.errors import FolderUnusable, JobFailure

if TYPE_CHECKING:
    from server.catalog import ModelCatalog
    from server.residency import ModelStatus

app = typer.Typer(
    help="List the models, download some, or remove what was downloaded.",
    epilog=examples("darkroom models", "darkroom models pull ID", "darkroom models remove ID"),
    invoke_without_command=True,
)

ModelsArgument = Annotated[list[str], typer.Argument(metavar="ID...", help="Ids or aliases.")]


@app.callback()
def models(
    context: typer.Context,
    config: ConfigOption = None,
    data: DataOption = None,
    plugin_folder: PluginFolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the models and whether their weights are on this machine."""
    context.obj = {"config": config, "data": data, "plugin_folder": plugin_folder}
    if context.invoked_subcommand is not None:
        return
    found = _models(load_settings(**context.obj))
    if as_json:
        print_json({"models": [asdict(model) for model in found]})
    else:
        _print_table(found)


@app.command(epilog=examples("darkroom models pull ID"))
def pull(
    context: typer.Context,
    ids: ModelsArgument,
    config: ConfigOption = None,
    data: DataOption = None,
    plugin_folder: PluginFolderOption = None,
) -> None:
    """Download the weights of models; what was begun before goes on where it stopped.

    Some models want a licence accepted at their page and a key: HF_TOKEN, CIVITAI_API_KEY.
    What fails does not keep the others; the exit status is 1 then.
    """
    catalog = _catalog(settings_of(context, config, data, plugin_folder))
    failed = False
    for card_id in [catalog.find(name)[1].id for name in ids]:
        try:
            out.print(_pulled(catalog, card_id))
        except JobFailure as error:
            failed = True
            err.print(f"{card_id}: {error.code}: {error.message}", style="red")
    if failed:
        raise typer.Exit(1)


def _pulled(catalog: ModelCatalog, card_id: str) -> str:
    """Bring a model here, if it is not, and say where it is.

    Raises:
        JobFailure: it cannot be had.
    """
    card = catalog.find(card_id)[1]
    missing = catalog.must_fetch(card_id)
    if missing:
        _fetch(catalog, card_id)
    path = catalog.weights(card)["path"]
    return f"{card_id}: {path}" if missing else f"{card_id} is here: {path}"


@app.command(epilog=examples("darkroom models remove ID", "darkroom models remove ID --yes"))
def remove(
    context: typer.Context,
    ids: ModelsArgument,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    config: ConfigOption = None,
    data: DataOption = None,
    plugin_folder: PluginFolderOption = None,
) -> None:
    """Remove the downloaded weights of models, complete or not.

    What other models use as well stays, and so do files that Darkroom did not download: those of
    the hub's own cache, and local ones.
    """
    catalog = _catalog(settings_of(context, config, data, plugin_folder))
    for card_id in [catalog.find(name)[1].id for name in ids]:
        folders = catalog.downloads(card_id)
        size = sum(map(_bytes, folders))
        if not folders:
            out.print(f"{card_id}: nothing to remove; what other models use as well stays")
        elif yes or typer.confirm(f"Remove {size_of(size)} of {card_id}?", err=True):
            _remove(folders)
            out.print(f"{card_id}: {size_of(size)} are free now")


def _remove(folders: Iterable[Path]) -> None:
    for folder in folders:
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise FolderUnusable(f"{folder} cannot be removed: {error.strerror}") from error


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _fetch(catalog: ModelCatalog, card_id: str) -> None:
    from server.cli.progress import download_bar

    with download_bar(card_id) as show:
        asyncio.run(catalog.fetch(card_id, show))


def _catalog(settings: Settings) -> ModelCatalog:
    from server.catalog import ModelCatalog
    from server.model_files import ModelFiles
    from server.plugins.manager import discover

    plugins = discover(settings.plugin_folder, settings.models)
    return ModelCatalog(plugins, ModelFiles(settings), settings.default_model)


def _models(settings: Settings) -> list[ModelStatus]:
    from server.residency import Residency

    return Residency(_catalog(settings)).all()


def _print_table(found: list[ModelStatus]) -> None:
    from rich.table import Column, Table

    ids = Column("Model", no_wrap=True, min_width=max(len(model.id) for model in found))
    table = Table("", ids, "Title", "Family", "Weights", "Size", "Licence", box=None)
    for model in found:
        table.add_row(
            "*" if model.current else "",
            model.id,
            model.title,
            model.family,
            model.state.replace("_", " "),
            size_of(model.size_bytes),
            model.license,
        )
    print_table(table)
    out.print("* the model of requests that name none, until a running server loads another")
