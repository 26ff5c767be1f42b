"""Options that several commands share. Those that are settings say what the settings say."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Annotated, Any

import typer

from server.config import Settings, load_settings


def setting(name: str, *flags: str) -> Any:
    """The option for a setting: `--name`, unless `flags` are given."""
    field = Settings.model_fields[name]
    default = f" Default: {field.default}." if field.default not in (None, False, True) else ""
    return typer.Option(
        *(flags or (f"--{name.replace('_', '-')}",)),
        help=f"{field.description}{default}".replace("`", ""),
        show_default=False,
    )


def examples(*lines: str) -> str:
    """An epilog with examples; typer starts a new line only after an empty one."""
    return "\n\n".join(["Examples:", *(f"  {line}" for line in lines)])


def unwrap(app: typer.Typer) -> None:
    """Let the help of an app's commands have its paragraphs in one line each: typer keeps the line
    breaks of docstrings in all but the first."""
    for command in app.registered_commands:
        text = inspect.cleandoc(command.help or inspect.getdoc(command.callback) or "")
        command.help = "\n\n".join(" ".join(each.split()) for each in text.split("\n\n"))
    for group in app.registered_groups:
        if group.typer_instance is not None:
            unwrap(group.typer_instance)


ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="The configuration file; unset: darkroom.toml of the current folder, if any.",
        show_default=False,
    ),
]
DataOption = Annotated[Path | None, setting("data")]
PluginFolderOption = Annotated[Path | None, setting("plugin_folder")]
DeviceOption = Annotated[str | None, setting("device")]
KeyOption = Annotated[
    str | None,
    typer.Option(
        "--key",
        envvar="DARKROOM_KEY",
        metavar="KEY",
        help="A key of the server that --server names. Others on this machine may see what stands "
        "in a command: the variable is the better place.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for other programs.")]


def settings_of(
    context: typer.Context, config: Path | None, data: Path | None, plugin_folder: Path | None
) -> Settings:
    """The settings by the options after a subcommand's name, else by those before it.

    Raises:
        ConfigurationError: see `load_settings`.
    """
    own = {"config": config, "data": data, "plugin_folder": plugin_folder}
    return load_settings(**{name: own[name] or before for name, before in context.obj.items()})
