"""`darkroom doctor`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from server.cli.console import out, print_json
from server.cli.options import (
    ConfigOption,
    DataOption,
    DeviceOption,
    JsonOption,
    PluginFolderOption,
    examples,
)

if TYPE_CHECKING:
    from server.doctor import Finding

EXAMPLES = examples(
    "darkroom doctor",
    "darkroom doctor --model NAME",
    "darkroom doctor --data ~/pictures --json",
)
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="Tell also how this model would fit the device's memory, and why.",
        show_default=False,
    ),
]
STYLES = {"ok": "green", "warning": "yellow", "fault": "bold red"}


def doctor(
    *,
    config: ConfigOption = None,
    data: DataOption = None,
    device: DeviceOption = None,
    plugin_folder: PluginFolderOption = None,
    model: ModelOption = None,
    as_json: JsonOption = False,
) -> None:
    """Examine the installation and say how to mend what is wrong.

    Nothing is changed. Exit status 1 when there is a fault.
    """
    from server.doctor import examine

    findings = examine(config, model, data=data, device=device, plugin_folder=plugin_folder)
    if as_json:
        shown = list(findings)
        print_json({"findings": [asdict(finding) for finding in shown]})
    else:
        shown = list(_print(findings))
    if any(finding.level == "fault" for finding in shown):
        raise typer.Exit(1)


def _print(findings: Iterable[Finding]) -> Iterable[Finding]:
    """Each as soon as it is known; importing torch for the devices takes a while."""
    for finding in findings:
        out.print(f"{finding.level:<8}", style=STYLES[finding.level], end="")
        out.print(f"{finding.topic}: {finding.message}")
        if finding.remedy:
            out.print(f"        {finding.remedy}", style="italic")
        yield finding
