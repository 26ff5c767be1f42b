"""Writes docs/reference, and the generated sections of other pages; `make docs` runs it.

Tests compare what it would write with the files, so that they are never out of date.
"""

from __future__ import annotations

import dataclasses
import enum
import inspect
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer
from pydantic import BaseModel

HERE = Path(__file__).resolve().parent
# Run as a script: the checkout's own code is described. Run by a test: its neighbours are found.
sys.path[:0] = [str(HERE.parent), str(HERE)]

import build_sections  # noqa: E402
from build_markdown import kind, meaning, table  # noqa: E402

import darkroom  # noqa: E402
from darkroom import dialects, loras  # noqa: E402
from server import cli, errors, generation, image_sources  # noqa: E402
from server.api import openapi  # noqa: E402
from server.app import all_plugins, create_app  # noqa: E402
from server.config import PREFIX, Settings  # noqa: E402
from server.dialect_entry import DialectEntry, ListenEntry  # noqa: E402
from server.enrich_entry import EnrichEntry  # noqa: E402
from server.http import faces  # noqa: E402
from server.lora_entry import LoraEntry  # noqa: E402
from server.migrations import newest  # noqa: E402
from server.model_entry import ModelEntry  # noqa: E402
from server.plugins import spec  # noqa: E402
from server.plugins.types import Dialect  # noqa: E402

NOTE = "*Written by `make docs` from the code; change it there.*"

#: The sections of a Google-style docstring that become tables or are left out.
SECTION = re.compile(r"\n\n(Attributes|Args|Returns|Raises):\n")
ATTRIBUTE = re.compile(r"^    (\w+): (.*(?:\n      .*)*)", re.MULTILINE)

#: What the reference tells of `darkroom.loras`.
LORA_RECORDS = (
    *("LoraSupport", "LoraNames", "Target", "Recognized", "LoraParams", "LoraRef"),
    *("TakesLoras", "LoraFile", "LoraMatch"),
)


def pages() -> dict[str, str]:
    """The text of every page by its file name in docs/reference."""
    return {
        "settings.md": settings_page(),
        "hooks.md": hooks_page(),
        "routes.md": routes_page(),
        "errors.md": errors_page(),
        "command-line.md": command_line_page(),
    }


def settings_page() -> str:
    """Every field of `Settings`."""
    schema = Settings.model_json_schema()
    rows = [
        [
            f"`{name}`",
            kind(described, schema).removesuffix(" or null"),
            _default(described),
            described["description"],
            f"`{PREFIX}{name.upper()}`",
        ]
        for name, described in schema["properties"].items()
    ]
    settings = table(["Setting", "Type", "Default", "Meaning", "Environment variable"], rows)
    return _page(
        "Settings",
        "Strongest first: options of the command line, environment variables, `darkroom.toml` of "
        "the current folder (or the file that `--config` names), the default. Relative paths in "
        "`darkroom.toml` are relative to that file. A list in an environment variable is written "
        'as JSON: `["images.example.org"]`. See also [how to configure](../how-to/configure.md).',
        settings,
        "## ModelEntry\n\nA `[[models]]` table of `darkroom.toml`; "
        "[sources and formats](../how-to/sources-and-formats.md#models-of-your-own) shows some.",
        _properties(ModelEntry.model_json_schema()),
        "## LoraEntry\n\nA `[[loras]]` table of `darkroom.toml`; "
        "[LoRAs](../how-to/loras.md#get-loras) shows one.",
        _properties(LoraEntry.model_json_schema()),
        "## ListenEntry\n\nA `[[listen]]` table of `darkroom.toml`; "
        "[ports](../how-to/listeners.md) shows some.",
        _properties(ListenEntry.model_json_schema()),
        "## EnrichEntry\n\nThe table `[enrich]` of `darkroom.toml`; "
        "[how to enrich prompts](../how-to/enrich-prompts.md) shows it.",
        _properties(EnrichEntry.model_json_schema()),
        "## DialectEntry\n\nA table `[dialects.NAME]` of `darkroom.toml`: what all dialects have.",
        _properties(DialectEntry.model_json_schema()),
        *map(_own_settings, all_plugins(Settings()).dialects.values()),
    )


def _own_settings(dialect: Dialect) -> str:
    """What `[dialects.NAME]` may hold beside that, and which limits it sets."""
    limits = [f"`{tier}` {text}" for tier, text in dialect.rate_limits.items()]
    told = f"{dialect.title}. Rate limits unless `rate_limit` says otherwise: "
    parts = [f"### `[dialects.{dialect.name}]`", f"{told}{', '.join(limits) or 'none'}."]
    if dialect.options is not None:
        parts.append(_properties(dialect.options.model_json_schema()))
    return "\n\n".join(parts)


def _default(described: Mapping[str, Any]) -> str:
    value = described["default"]
    if value is None:
        return "unset"
    return f"`{json.dumps(value)}`" if value != [] else "empty"


def hooks_page() -> str:
    """The hooks, and everything else that plugin authors import."""
    hooks = [_hook(name, function) for name, function in spec.hooks().items()]
    return _page(
        "Hooks and records",
        "What a plugin may implement, and what it imports from `darkroom`. "
        "[How to write a model plugin](../how-to/write-a-model-plugin.md) shows it at work.",
        "## Hooks\n\nMark an implementation with `@hookimpl`, a wrapper with "
        "`@hookimpl(wrapper=True)`. An implementation may leave out arguments.",
        *hooks,
        "## Records and protocols",
        *(_record(name, getattr(darkroom, name)) for name in _without_marker(darkroom.__all__)),
        "## For families that take LoRAs\n\nWhat `darkroom.loras` has.",
        *(_record(name, getattr(loras, name)) for name in LORA_RECORDS),
        "## For dialects\n\nWhat `darkroom.dialects` has. "
        "[How to write a dialect](../how-to/write-a-dialect.md) shows it at work.",
        *(_record(name, getattr(dialects, name)) for name in _without_marker(dialects.__all__)),
    )


def _without_marker(names: Iterable[str]) -> Iterator[str]:
    return (name for name in names if name != "hookimpl")


def _hook(name: str, function: Any) -> str:
    wrap = "may be wrapped" if name in spec.WRAPPABLE else "cannot be wrapped"
    heading = f"### `{name}`\n\n{_signature(name, function)}\n\n"
    return f"{heading}{_text(function)}\n\nThis hook {wrap}."


def _record(name: str, thing: Any) -> str:
    parts = [f"### `{name}`"]
    if inspect.isfunction(thing):
        return "\n\n".join([*parts, _signature(name, thing), _text(thing)])
    if not isinstance(thing, type):
        places = (image_sources, generation, faces)
        return "\n\n".join([*parts, _comment(next(m for m in places if hasattr(m, name)), name)])
    parts.append(_text(thing))
    if issubclass(thing, enum.Enum):
        values = ", ".join(f"`{each.value}`" for each in thing)
        return "\n\n".join([*parts, f"One of {values}."])
    if issubclass(thing, BaseModel):
        parts.append(_properties(thing.model_json_schema()))
    elif dataclasses.is_dataclass(thing):
        parts.append(_fields(thing))
    parts += _methods(thing)
    return "\n\n".join(parts)


def _fields(thing: Any) -> str:
    meanings = dict(ATTRIBUTE.findall(inspect.getdoc(thing) or ""))
    rows = [
        [f"`{item.name}`", f"`{item.type}`", _field_default(item), meanings.get(item.name, "")]
        for item in dataclasses.fields(thing)
        if item.init
    ]
    return table(["Field", "Type", "Default", "Meaning"], rows)


def _field_default(item: dataclasses.Field[Any]) -> str:
    if item.default_factory is not dataclasses.MISSING:
        made = item.default_factory()
        return f"`{dict(made) if isinstance(made, Mapping) else made!r}`"
    return "required" if item.default is dataclasses.MISSING else f"`{_value(item.default)}`"


def _value(value: Any) -> str:
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, frozenset) and value:
        return ", ".join(sorted(map(_value, value)))  # whose own order changes from run to run
    return repr(value)


def _methods(thing: type) -> Iterator[str]:
    if issubclass(thing, BaseModel):
        return
    for name, member in vars(thing).items():
        function = member.__func__ if isinstance(member, staticmethod) else member
        if not inspect.isfunction(function) or (name.startswith("_") and name != "__call__"):
            continue
        shown = function.__qualname__.removesuffix(".__call__")
        yield f"{_signature(shown, function)}\n\n{_text(function)}"


def _signature(name: str, function: Any) -> str:
    written = str(inspect.signature(function)).replace("'", "").replace("(self, ", "(")
    return f"```python\n{name}{written.replace('(self)', '()')}\n```"


def _comment(module: Any, name: str) -> str:
    """The `#:` comment above a module's constant."""
    found = re.search(rf"((?:^#: .*\n)+){name} = ", inspect.getsource(module), re.MULTILINE)
    assert found is not None, name
    return found[1].replace("#: ", "").strip()


def routes_page() -> str:
    """The OpenAPI document, for reading."""
    document = create_app(Settings()).openapi()
    sections = []
    for tag in openapi.TAGS:
        operations = [
            _operation(path, method, operation, document)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
            if tag["name"] in operation["tags"]
        ]
        sections += [f"## {tag['name'].capitalize()} routes\n\n{tag['description']}", *operations]
    shapes = [
        f"### {name}\n\n{schema.get('description', '')}\n\n{_properties(schema, document)}"
        for name, schema in sorted(document["components"]["schemas"].items())
        if not name.startswith("Params_") and "properties" in schema
    ]
    return _page(
        "Routes",
        "A running server shows the same at `/docs`, where it can be tried, and as OpenAPI at "
        "`/openapi.json`. Errors are `application/problem+json`; [their codes](errors.md). Keys "
        "are needed once there are [some](../how-to/keys.md).",
        *sections,
        "## Shapes",
        *shapes,
    )


def _operation(path: str, method: str, operation: Mapping[str, Any], root: Any) -> str:
    parts = [
        f"### `{method.upper()} {path}`",
        f"**{operation['summary']}.** {' '.join(operation['description'].split())}",
    ]
    parts.append(_key(operation["security"]))
    if operation.get("parameters"):
        rows = [
            [
                f"`{item['name']}`",
                item["in"],
                kind(item["schema"], root).removesuffix(" or null"),
                meaning(item.get("description", ""), item["schema"]),
            ]
            for item in operation["parameters"]
        ]
        parts.append(table(["Parameter", "In", "Type", "Meaning"], rows))
    if body := _json_body(operation):
        parts.append(f"The body:\n\n{_properties(body, root)}")
    answers = [
        [status, answer["description"], ", ".join(_contents(answer, root))]
        for status, answer in sorted(operation["responses"].items())
        if status != "default"
    ]
    parts.append(table(["Status", "When", "Body"], answers))
    return "\n\n".join(parts)


def _key(security: Sequence[Mapping[str, Sequence[str]]]) -> str:
    """What a server that has keys asks for, in a sentence."""
    scopes = [scope for each in security for found in each.values() for scope in found]
    if not scopes:
        return "Needs no key."
    closed = ", where `images_need_key` is set" if {} in security else ""
    return f"Needs a key with the scope `{scopes[0]}`{closed}."


def _json_body(operation: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The schema of a small body, which stands in its route alone."""
    contents = operation.get("requestBody", {}).get("content", {})
    schema: Mapping[str, Any] = contents.get("application/json", {}).get("schema", {})
    return schema if "properties" in schema else None


def _contents(answer: Mapping[str, Any], root: Any) -> Iterator[str]:
    for media_type, content in answer.get("content", {}).items():
        schema = content.get("schema", {})
        yield kind(schema, root) if "$ref" in schema else f"`{media_type}`"


def errors_page() -> str:
    """Every code of the tree."""
    job = errors.all_errors(errors.JobFailure)
    start = errors.all_errors(errors.StartupError)
    internal = errors.all_errors(errors.WorkerLost)
    answers = [cls for cls in errors.all_errors() if cls not in (*job, *start, *internal)]
    return _page(
        "Error codes",
        "A code is a word for programs and never changes. The message beside it is for people and "
        "says what to do. `/docs/errors` of a running server has the same list.",
        "## Answers to requests\n\nAs `application/problem+json`: `type`, `title`, `status`, "
        "`detail`, `code`, and `errors` (a list of `{loc, msg, type}`) with `invalid_parameters`.",
        table(["Code", "Status", "Meaning"], [_error_row(cls, str(cls.status)) for cls in answers]),
        "## Failed jobs\n\nIn `error.code` of a snapshot whose status is `failed`, beside "
        "`error.message`. `internal_error` occurs here too.",
        table(["Code", "Meaning"], [_error_row(cls) for cls in job]),
        "## Commands\n\nA command that cannot start says so on standard error and ends with exit "
        "status 1.",
        table(["Code", "Meaning"], [_error_row(cls) for cls in start]),
        "## Inside the server\n\nNo client meets these.",
        table(["Code", "Meaning"], [_error_row(cls) for cls in internal]),
    )


def _error_row(cls: type[errors.DarkroomError], *status: str) -> list[str]:
    return [f"`{cls.code}`", *status, _text(cls)]


def command_line_page() -> str:
    """Every command with its options."""
    return _page(
        "Command line",
        "`darkroom COMMAND --help` shows the same. Exit status: 0, 1 when something failed, 2 when "
        "the command was called wrongly, 130 after Ctrl-C.",
        *_commands("darkroom", typer.main.get_command(cli.app)),
    )


def _commands(name: str, command: Any) -> Iterator[str]:
    words = [param.name.upper() for param in command.params if param.param_type_name == "argument"]
    options = [param for param in command.params if param.param_type_name == "option"]
    parts = [f"## `{' '.join([name, *words])}`", command.help]
    if options:
        parts.append(table(["Option", "Meaning"], [_option(param) for param in options]))
    if command.epilog:
        lines = [line.strip() for line in command.epilog.splitlines()[1:] if line.strip()]
        parts.append("\n".join(["```console", *(f"$ {line}" for line in lines), "```"]))
    yield "\n\n".join(parts)
    for child, subcommand in getattr(command, "commands", {}).items():
        yield from _commands(f"{name} {child}", subcommand)


def _option(param: Any) -> list[str]:
    flags = [f"`{flag}`" for flag in (*param.opts, *param.secondary_opts)]
    value = f" `{param.metavar}`" if param.metavar else ""
    shown = param.show_default and param.default not in (None, False)
    default = f" Default: {param.default}." if shown else ""
    return [", ".join(flags) + value, f"{param.help}{default}"]


def _page(title: str, introduction: str, *sections: str) -> str:
    return "\n\n".join([f"# {title}", NOTE, introduction, *sections]) + "\n"


def _text(thing: Any) -> str:
    """A docstring without its sections."""
    return SECTION.split(inspect.getdoc(thing) or "", maxsplit=1)[0]


def _properties(schema: Mapping[str, Any], root: Any = None) -> str:
    rows = [
        [
            f"`{name}`",
            kind(described, root or schema),
            meaning(described.get("description", ""), described),
        ]
        for name, described in schema["properties"].items()
    ]
    return table(["Field", "Type", "Meaning"], rows)


def main() -> None:
    """Write every page, and the newest schema of the database."""
    folder = HERE / "reference"
    folder.mkdir(exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    for page in build_sections.pages():
        page.write_text(build_sections.rewritten(page), encoding="utf-8", newline="\n")
    newest.SCRIPT.write_text(newest.script(), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
