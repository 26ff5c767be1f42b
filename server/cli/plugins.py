"""`darkroom plugins` and `darkroom plugins check NAME`."""

from __future__ import annotations

import contextlib
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from server.cli.console import out, print_json
from server.cli.options import ConfigOption, JsonOption, PluginFolderOption, examples
from server.config import Settings, load_settings
from server.errors import ConfigurationError

if TYPE_CHECKING:
    from server.conformance import Finding
    from server.plugins.manager import PluginManager
    from server.plugins.types import PluginRecord

app = typer.Typer(
    help="List the plugins with their faults, or check one.",
    epilog=examples("darkroom plugins", "darkroom plugins check my_family --plugin-folder ."),
    invoke_without_command=True,
)


@app.callback()
def plugins(
    context: typer.Context,
    config: ConfigOption = None,
    plugin_folder: PluginFolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the plugins: where they come from, what they offer, what is wrong with them.

    Exit status 1 when one has a fault.
    """
    settings = load_settings(config, plugin_folder=plugin_folder)
    context.obj = settings
    if context.invoked_subcommand is not None:
        return
    manager = _tried(settings)
    records = manager.records()
    if as_json:
        print_json({"plugins": [_describe(manager, record) for record in records]})
    else:
        _print_table(manager, records)
    if not all(record.ok for record in records):
        raise typer.Exit(1)


@app.command(epilog=examples("darkroom plugins check my_family --plugin-folder ."))
def check(
    context: typer.Context,
    *,
    name: Annotated[str, typer.Argument(help="A plugin's, a family's or a dialect's name.")],
    config: ConfigOption = None,
    plugin_folder: PluginFolderOption = None,
    device: Annotated[str, typer.Option(help="torch's name of the device to check on.")] = "cpu",
    as_json: JsonOption = False,
) -> None:
    """Check that a plugin keeps its promises. Each of its models is loaded and generates, each of
    its dialects is built.

    Exit status 1 when a promise is broken.
    """
    from server import conformance
    from server.model_files import ModelFiles

    given = plugin_folder or context.obj.plugin_folder
    settings = load_settings(config, plugin_folder=given)
    manager, files = _tried(settings), ModelFiles(settings)
    findings = conformance.check(
        manager,
        name,
        weights=lambda card: files.find(*manager.cards[card.id]),
        device=device,
    )
    if as_json:
        print_json({"findings": [asdict(finding) for finding in findings]})
    else:
        _print_findings(findings)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def _tried(settings: Settings) -> PluginManager:
    """The plugins, their dialects built: only that shows what is wrong with one.

    Raises:
        ConfigurationError: some of the configured models do not fit the families.
    """
    from server.app import all_plugins, create_app, create_service

    manager = all_plugins(settings)
    # The configuration may be at fault, which is no plugin's; `serve` and `doctor` say that.
    with contextlib.suppress(ConfigurationError):
        create_app(settings, create_service(settings, manager))
    return manager


def _families(manager: PluginManager, record: PluginRecord) -> list[str]:
    return [name for name in manager.families if manager.provider(name) == record.name]


def _dialects(manager: PluginManager, record: PluginRecord) -> list[str]:
    return [name for name in manager.dialects if manager.dialect_provider(name) == record.name]


def _describe(manager: PluginManager, record: PluginRecord) -> dict[str, Any]:
    return {
        **asdict(record),
        "ok": record.ok,
        "families": _families(manager, record),
        "dialects": _dialects(manager, record),
    }


def _print_table(manager: PluginManager, records: tuple[PluginRecord, ...]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table("Plugin", "Version", "Origin", "Families", "Dialects", "", box=None)
    for record in records:
        verdict = Text("ok", "green") if record.ok else Text("fault", "bold red")
        families = ", ".join(_families(manager, record))
        dialects = ", ".join(_dialects(manager, record))
        table.add_row(record.name, record.version, record.origin, families, dialects, verdict)
    out.print(table, soft_wrap=False)
    for record in records:
        for fault in record.faults:
            out.print(f"fault in {record.name}: {fault}", style="red")
        for warning in record.warnings:
            out.print(f"warning for {record.name}: {warning}", style="yellow")


def _print_findings(findings: list[Finding]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table("", "Subject", "Promise", "Problem", box=None)
    for finding in findings:
        verdict = Text("kept", "green") if finding.ok else Text("broken", "bold red")
        table.add_row(verdict, finding.subject, finding.name, finding.message)
    out.print(table, soft_wrap=False)
    broken = sum(not finding.ok for finding in findings)
    out.print(f"{len(findings) - broken} of {len(findings)} promises are kept.")
