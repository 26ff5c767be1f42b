"""`darkroom keys`: add, list, revoke, reset."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from server.callers import Scope, Tier
from server.cli.console import err, out, print_json, print_table
from server.cli.options import ConfigOption, DataOption, JsonOption, examples, settings_of
from server.config import Settings
from server.records import iso

if TYPE_CHECKING:
    from server.keys.record import Key
    from server.keys.store import KeyStore

app = typer.Typer(
    help="Make keys for the server's APIs, list them, revoke some.",
    epilog=examples("darkroom keys", "darkroom keys add laptop", "darkroom keys revoke laptop"),
    invoke_without_command=True,
)


@app.callback()
def keys(
    context: typer.Context,
    *,
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the keys; also while a server runs on the data folder, like all of these commands."""
    context.obj = {"config": config, "data": data}
    if context.invoked_subcommand is None:
        _list(settings_of(context, None, None, None), as_json)


@app.command(
    epilog=examples(
        "darkroom keys add laptop",
        "darkroom keys add phone --scope generate --scope read",
        "darkroom keys add studio --tier pro --max-queued 20 --max-running 2",
        "darkroom keys add backup --scope read > backup.key",
    )
)
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What to call it: who or what uses it.")],
    *,
    tier: Annotated[
        Literal["authenticated", "pro"], typer.Option(help="Which rate limits hold for it.")
    ] = "authenticated",
    scopes: Annotated[
        list[Scope] | None,
        typer.Option(
            "--scope",
            help="What it may be used for: generate, read, or admin (deleting, settings, plugins, "
            "downloads, the queue); repeatable; unset: everything.",
            show_default=False,
        ),
    ] = None,
    max_queued: Annotated[
        int | None,
        typer.Option(min=1, help="Most jobs of its holder that wait.", show_default=False),
    ] = None,
    max_running: Annotated[
        int | None,
        typer.Option(min=1, help="Most jobs of its holder that run at a time.", show_default=False),
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Make a key and print it, alone, on standard output. It is not shown again.

    From the first key on the server asks everybody for one.
    """
    with _opened(settings_of(context, config, data, None)) as store:
        is_first = not store.configured()
        key = store.add(
            name,
            tier=Tier(tier),
            scopes=scopes or list(Scope),
            max_queued=max_queued,
            max_running=max_running,
        )
    out.print(key)
    err.print("Keep it: only its hash is stored, and it is not shown again.")
    if is_first:
        err.print("It is the first: from now on the server asks everybody for a key.")


@app.command("list", epilog=examples("darkroom keys list", "darkroom keys list --json"))
def list_keys(
    context: typer.Context,
    *,
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the keys without their secrets, revoked ones too, as `darkroom keys` alone does."""
    _list(settings_of(context, config, data, None), as_json)


@app.command(epilog=examples("darkroom keys revoke laptop"))
def revoke(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The key's name or id.")],
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Refuse a key from now on, also on a server that runs.

    When the last one is revoked the server lets nobody in; `darkroom keys reset` opens it again.
    """
    with _opened(settings_of(context, config, data, None)) as store:
        key = store.revoke(name)
        is_last = all(each.revoked_at is not None for each in store.records())
    out.print(f"{key.name}: revoked")
    if is_last:
        err.print("It was the last: the server lets nobody in until there is another.")


@app.command(epilog=examples("darkroom keys reset", "darkroom keys reset --yes"))
def reset(
    context: typer.Context,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Forget all keys, so that the server asks for none: on this machine, or with --insecure."""
    with _opened(settings_of(context, config, data, None)) as store:
        count = len(store.records())
        if not count:
            out.print("There are no keys.")
        elif yes or typer.confirm(f"Forget all keys ({count})?", err=True):
            out.print(f"Keys forgotten: {store.reset()}. The server asks for none.")


@contextmanager
def _opened(settings: Settings) -> Iterator[KeyStore]:
    """The keys of the data folder, whether or not a server runs on it.

    Raises:
        StartupError: the folders or the database cannot be used.
    """
    from server import datafolder
    from server.database import Database
    from server.keys.store import KeyStore

    datafolder.make(settings.folders)
    database = Database(settings.folders.database)
    try:
        yield KeyStore(database)
    finally:
        database.close()


def _list(settings: Settings, as_json: bool) -> None:
    with _opened(settings) as store:
        found = store.records()
    if as_json:
        print_json({"keys": [_plain(key) for key in found]})
    elif found:
        _print_table(found)
    else:
        err.print("There are no keys: the server asks for none. `darkroom keys add` makes one.")


def _plain(key: Key) -> dict[str, Any]:
    """A key as JSON has it."""
    moments = {name: iso(getattr(key, name)) for name in ("created_at", "revoked_at")}
    return {**asdict(key), **moments, "scopes": _scopes(key)}


def _scopes(key: Key) -> list[Scope]:
    return [scope for scope in Scope if scope in key.scopes]


def _print_table(found: tuple[Key, ...]) -> None:
    from rich.table import Table

    table = Table("Key", "Id", "Tier", "Scopes", "Queued", "Running", "Made", "", box=None)
    for key in found:
        table.add_row(
            key.name,
            key.id,
            key.tier,
            ", ".join(_scopes(key)),
            str(key.max_queued or "any"),
            str(key.max_running or "any"),
            _day(key.created_at),
            f"revoked {_day(key.revoked_at)}" if key.revoked_at else "in use",
        )
    print_table(table)


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
