"""`darkroom loras`: list, add, show, identify, remove."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from server.cli import lora_folder
from server.cli.console import err, out, print_json, print_table, size_of
from server.cli.options import (
    ConfigOption,
    DataOption,
    JsonOption,
    PluginFolderOption,
    examples,
    settings_of,
)
from server.config import Settings
from server.errors import JobFailure, MalformedReference

if TYPE_CHECKING:
    from server.loras.adding import Added, LoraAdder
    from server.loras.record import LoraRecord
    from server.loras.references import LoraReference

app = typer.Typer(
    help="List the LoRAs, add some, look them up on civitai, or remove some.",
    epilog=examples(
        "darkroom loras",
        "darkroom loras add 1963644",
        "darkroom loras identify --online",
    ),
    invoke_without_command=True,
)

FamilyOption = Annotated[
    str | None, typer.Option("--family", help="Only those of this model family.")
]
LoraArgument = Annotated[str, typer.Argument(metavar="LORA", help="An id, a file name or a name.")]


@app.callback()
def loras(
    context: typer.Context,
    *,
    config: ConfigOption = None,
    data: DataOption = None,
    plugin_folder: PluginFolderOption = None,
    family: FamilyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the LoRAs: their ids for requests, and the words that they were trained on."""
    context.obj = {"config": config, "data": data, "plugin_folder": plugin_folder}
    if context.invoked_subcommand is None:
        asyncio.run(_list(settings_of(context, None, None, None), family, as_json))


@app.command("list", epilog=examples("darkroom loras list --family NAME"))
def list_loras(
    context: typer.Context,
    *,
    config: ConfigOption = None,
    data: DataOption = None,
    plugin_folder: PluginFolderOption = None,
    family: FamilyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the LoRAs, as `darkroom loras` alone does."""
    asyncio.run(_list(settings_of(context, config, data, plugin_folder), family, as_json))


@app.command(
    epilog=examples(
        "darkroom loras add 1963644",
        "darkroom loras add civitai:1377820@1963644",
        "darkroom loras add org/name:style.safetensors",
        "darkroom loras add ~/Downloads/style.safetensors",
    )
)
def add(
    context: typer.Context,
    refs: Annotated[
        list[str],
        typer.Argument(
            metavar="REF...",
            help="A civitai URN, page address or version number, org/name[:file] of the Hugging "
            "Face hub, an https address, or a file.",
        ),
    ],
    config: ConfigOption = None,
    data: DataOption = None,
    plugin_folder: PluginFolderOption = None,
) -> None:
    """Bring LoRAs into the folder; what was begun before goes on where it stopped.

    A server that runs on the folder knows them within seconds. Civitai wants a key for most
    downloads: CIVITAI_API_KEY. What fails does not keep the others; the exit status is 1 then.
    """
    settings = settings_of(context, config, data, plugin_folder)
    # The hub's `org/name/x.safetensors` looks like a path, too.
    texts = [str(Path(ref).absolute()) if Path(ref).is_file() else ref for ref in refs]
    if not asyncio.run(_add_all(settings, texts)):
        raise typer.Exit(1)


@app.command(epilog=examples("darkroom loras show civitai_1963644"))
def show(
    context: typer.Context,
    lora: LoraArgument,
    *,
    config: ConfigOption = None,
    data: DataOption = None,
    plugin_folder: PluginFolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show all that is known of a LoRA."""
    settings = settings_of(context, config, data, plugin_folder)
    record = asyncio.run(_find(settings, lora))
    if as_json:
        print_json(_plain(record))
        return
    for name, value in (_plain(record) | _weights(record)).items():
        if value not in (None, "", (), {}):
            out.print(f"{name.replace('_', ' ') + ':':<18}{_words(value)}")


@app.command(epilog=examples("darkroom loras identify", "darkroom loras identify --online --again"))
def identify(
    context: typer.Context,
    *,
    online: Annotated[
        bool, typer.Option("--online", help="Ask civitai about the files that are not known.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Also about those that it did not know before.")
    ] = False,
    config: ConfigOption = None,
    data: DataOption = None,
    plugin_folder: PluginFolderOption = None,
) -> None:
    """Tell which LoRAs are known to be versions on civitai, and look the others up there.

    They are looked up by the hashes of their files; nothing else is sent. What civitai does not
    know is not asked about again.
    """
    settings = settings_of(context, config, data, plugin_folder)
    asyncio.run(_identify(settings, online=online, again=again))


@app.command(epilog=examples("darkroom loras remove civitai_1963644 --file"))
def remove(
    context: typer.Context,
    lora: LoraArgument,
    *,
    file: Annotated[
        bool, typer.Option("--file", help="Its file too, its copies, and what lies beside them.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    config: ConfigOption = None,
    data: DataOption = None,
    plugin_folder: PluginFolderOption = None,
) -> None:
    """Forget what you have changed of a LoRA and what civitai said of it; with --file remove it."""
    settings = settings_of(context, config, data, plugin_folder)
    record = asyncio.run(_find(settings, lora))
    what = f"{record.id} with its file {record.path}" if file else f"what is noted of {record.id}"
    if yes or typer.confirm(f"Remove {what}?", err=True):
        asyncio.run(_remove(settings, record.id, file))
        out.print(f"{record.id}: removed" if file else f"{record.id}: forgotten; its file stays")


# --- the registry --------------------------------------------------------------------------


async def _find(settings: Settings, name: str) -> LoraRecord:
    async with lora_folder.registry(settings) as registry:
        return registry.find(name)


async def _list(settings: Settings, family: str | None, as_json: bool) -> None:
    async with lora_folder.registry(settings) as registry:
        every = registry.records()
    found = [each for each in every if family in (None, each.family)]
    if as_json:
        print_json({"loras": [_plain(record) for record in found]})
    elif found:
        _print_table(found)
    elif every:
        families = ", ".join(sorted({each.family for each in every if each.family is not None}))
        err.print(f"There are no LoRAs for the family {family}; families: {families or 'none'}.")
    else:
        err.print(f"There are no LoRAs in {settings.folders.loras}. `darkroom loras add` gets one.")


async def _add_all(settings: Settings, refs: Sequence[str]) -> bool:
    """Add LoRAs, one after the other; whether all are here."""
    from server.loras.adding import LoraAdder
    from server.wording import shown

    failed = False
    async with lora_folder.registry(settings) as registry:
        adder = LoraAdder.of(settings, registry)
        for ref in refs:
            name = shown(ref)
            try:
                reference, name = _read(ref, settings.civitai_url)
                _tell(await _add(adder, reference, name))
            except (JobFailure, MalformedReference) as error:
                failed = True
                err.print(f"{name}: {error.code}: {error.message}", style="red")
    return not failed


def _read(ref: str, civitai_url: str) -> tuple[LoraReference, str]:
    """What a reference means, and what to call it: a file by its whole path, without `..`.

    Raises:
        MalformedReference: it cannot be understood.
    """
    from server.loras.references import read
    from server.sources.kinds import Local
    from server.wording import shown

    reference = read(ref, civitai_url)
    if not isinstance(reference, Local):
        return reference, shown(ref)
    # Only then: what is linked to is shown as its owner named it.
    path = reference.path.resolve() if ".." in reference.path.parts else reference.path
    return Local(path), str(path)


async def _add(adder: LoraAdder, reference: LoraReference, name: str) -> Added:
    from server.cli.progress import download_bar
    from server.sources.kinds import Local

    if isinstance(reference, Local):
        return await adder.add(reference)
    with download_bar(name) as listener:
        return await adder.add(reference, listener)


def _tell(added: Added) -> None:
    record = added.record
    for note in added.notes:
        err.print(f"warning: {note}", style="yellow")
    if record.unsupported is not None:
        err.print(f"warning: no model here can use it: {record.unsupported}", style="yellow")
    out.print(f"{record.id}{' is here' if added.was_here else ''}: {record.path}")


async def _identify(settings: Settings, *, online: bool, again: bool) -> None:
    from server.loras.adding import client_of
    from server.loras.identifying import identify as ask
    from server.loras.identifying import unanswered

    async with lora_folder.registry(settings) as registry:
        if online:
            hashes = unanswered(registry, again=again)
            found = 0
            async with client_of(settings) as client:
                async for answer in ask(hashes, registry, client):
                    found += answer.version is not None
            err.print(f"Civitai was asked about {len(hashes)} files and knows {found}.")
            _nudge(settings.folders.loras)
        own = [record for record in registry.records() if not record.bundled]
        if online:
            for record in own:
                out.print(f"{record.id}  {record.name}: {_standing(record)}")
        else:
            _print_standings(own, set(registry.unidentified()))


def _standing(record: LoraRecord) -> str:
    if record.version_id is not None:
        return f"civitai:{record.model_id or ''}@{record.version_id}"
    return "not on civitai"


def _print_standings(own: Sequence[LoraRecord], unasked: set[str]) -> None:
    """Say how many LoRAs are known, and which are not."""
    others = [record for record in own if record.version_id is None]
    unknown = [record.name for record in others if record.sha256 in unasked]
    known, strange = len(own) - len(others), len(others) - len(unknown)
    out.print(f"LoRAs: {known} known on civitai, {strange} not on it, {len(unknown)} not known yet")
    if unknown:
        names = ", ".join(unknown)
        out.print(f"Not known yet: {names}. `darkroom loras identify --online` asks civitai.")


async def _remove(settings: Settings, lora_id: str, file: bool) -> None:
    async with lora_folder.registry(settings) as registry:
        await registry.delete(lora_id, file=file)
    _nudge(settings.folders.loras)


def _nudge(folder: Path) -> None:
    """Let a server that watches the folder look at it again."""
    path = folder / f"changed-{os.getpid()}.tmp"
    try:
        path.touch()
        path.unlink()
    except OSError as error:
        err.print(f"A running server has to look again, by itself it cannot: {error}")


# --- words ---------------------------------------------------------------------------------


def _plain(record: LoraRecord) -> dict[str, Any]:
    """A record as JSON has it."""
    return {
        name: str(value) if isinstance(value, Path) else value
        for name, value in asdict(record).items()
    }


def _weights(record: LoraRecord) -> dict[str, float]:
    """The weights of a request that names none."""
    from server.lora_requests import TRIGGER_WEIGHT, WEIGHT

    weight, trigger_weight = record.weight, record.trigger_weight
    return {
        "weight": WEIGHT if weight is None else weight,
        "trigger_weight": TRIGGER_WEIGHT if trigger_weight is None else trigger_weight,
    }


def _words(value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return ", ".join(map(str, value))
        case dict():
            # A licence that is no set of flags is `{"license": …}`.
            named = [("" if name == "license" else f"{name}: ", value[name]) for name in value]
            return ", ".join(f"{name}{_words(item)}" for name, item in named)
    return str(value)


def _print_table(found: Sequence[LoraRecord]) -> None:
    from rich.table import Column, Table

    ids = Column("LoRA", no_wrap=True, min_width=max(len(record.id) for record in found))
    table = Table(ids, "Name", "Family", "File", "Trigger words", "Size", box=None)
    for record in found:
        family = record.family or _reason(record)
        words = ", ".join(record.trigger_words)
        size = size_of(record.size)
        table.add_row(record.id, record.name, family, record.filename, words, size)
    print_table(table)


def _reason(record: LoraRecord) -> str:
    """Why no model can use a LoRA, in a few words."""
    from server.wording import shortened

    sentence, _, _ = (record.unsupported or "").partition(". ")
    return shortened(f"unsupported: {sentence.rstrip('.')}" if sentence else "unsupported")
