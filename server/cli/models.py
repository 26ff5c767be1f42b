"""`darkroom models`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from server.cli.console import out, print_json
from server.cli.options import ConfigOption, JsonOption, PluginFolderOption, examples
from server.config import Settings, load_settings

if TYPE_CHECKING:
    from server.residency import ModelStatus

EXAMPLES = examples("darkroom models", "darkroom models --json")


def models(
    config: ConfigOption = None,
    plugin_folder: PluginFolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the models and whether their weights are on this machine."""
    found = _models(load_settings(config, plugin_folder=plugin_folder))
    if as_json:
        print_json({"models": [asdict(model) for model in found]})
    else:
        _print_table(found)


def _models(settings: Settings) -> list[ModelStatus]:
    from server.app import create_service

    return create_service(settings).models()


def _print_table(found: list[ModelStatus]) -> None:
    from rich.table import Table

    table = Table("", "Model", "Title", "Family", "Weights", "Size", "Licence", box=None)
    for model in found:
        table.add_row(
            "*" if model.current else "",
            model.id,
            model.title,
            model.family,
            model.state.replace("_", " "),
            f"{model.size_bytes / 1e6:.0f} MB" if model.size_bytes else "",
            model.license,
        )
    out.print(table, soft_wrap=False)
    out.print("* the model of requests that name none, until a running server loads another")
