"""`darkroom enrich`: write a prompt out."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Annotated

import typer

from server.cli.console import err, out, print_json, print_table
from server.cli.options import ConfigOption, JsonOption, examples
from server.config import load_settings
from server.enrichment.styles import DEFAULT

EXAMPLES = examples(
    'darkroom enrich "a castle" --style fantasy',
    "darkroom enrich --list",
    'darkroom generate "$(darkroom enrich "a castle")"',
)


def enrich(
    prompt: Annotated[
        str | None, typer.Argument(help="What the image shows, in a few words.", show_default=False)
    ] = None,
    *,
    style: Annotated[str, typer.Option("--style", help="One of --list.")] = DEFAULT,
    list_styles: Annotated[
        bool, typer.Option("--list", help="List the styles, each with an example.")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a prompt out in a style; no server is needed.

    The built-in templates do it, or a language model where the configuration has one. The prompt
    alone goes to standard output, warnings to standard error.
    """
    if list_styles:
        _list(as_json)
    elif prompt is None:
        raise typer.BadParameter("say what the image shows, or use --list", param_hint="PROMPT")
    else:
        from server.enrichment.enricher import Enricher

        enricher = Enricher(load_settings(config).enrich)
        enriched = asyncio.run(enricher.enrich(prompt, style))
        if enriched.warning is not None:
            err.print(f"warning: {enriched.warning}", style="yellow")
        if as_json:
            print_json(asdict(enriched))
        else:
            out.print(enriched.enriched_prompt)


def _list(as_json: bool) -> None:
    from rich.table import Table

    from server.enrichment.templates import listed

    styles = listed()
    if as_json:
        print_json({"styles": styles})
        return
    table = Table("Style", "Example", box=None)
    for style in styles:
        table.add_row(style["name"], style["example"])
    print_table(table)
