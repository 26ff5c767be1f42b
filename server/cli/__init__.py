"""The command line: `darkroom serve`, `generate`, `enrich`, `models`, `loras` and the rest."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from server import __version__
from server.cli import doctor, enrich, generate, keys, loras, models, plugins, serve
from server.cli.console import out, report
from server.cli.options import examples, unwrap
from server.errors import DarkroomError

app = typer.Typer(
    name="darkroom",
    help="A text-to-image server: prompts in, pictures out, every step watched.",
    epilog=examples("darkroom serve", 'darkroom generate "a red circle on a blue ground"'),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(epilog=serve.EXAMPLES)(serve.serve)
app.command(epilog=generate.EXAMPLES)(generate.generate)
app.command(epilog=enrich.EXAMPLES)(enrich.enrich)
app.add_typer(models.app, name="models")
app.add_typer(loras.app, name="loras")
app.add_typer(keys.app, name="keys")
app.add_typer(plugins.app, name="plugins")
app.command(epilog=doctor.EXAMPLES)(doctor.doctor)
unwrap(app)


def _version(wanted: bool) -> None:
    if wanted:
        out.print(f"darkroom {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """A text-to-image server: prompts in, pictures out, every step watched."""


def main() -> None:
    """Run a command. Exit status: 1 when it failed, 2 when it was called wrongly, 130 after
    Ctrl-C."""
    try:
        app()
    except DarkroomError as error:
        report(error)
        sys.exit(1)
