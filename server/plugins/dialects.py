"""The dialects that were announced and are sound."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from pydantic import BaseModel

from server.plugins.types import Dialect
from server.rate_limits import parse
from server.records import NATIVE

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_BUILD = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")


class DialectRegistry:
    """Dialects by name, in the order of announcement. What comes first keeps its name."""

    dialects: Mapping[str, Dialect]

    def __init__(self) -> None:
        self._dialects: dict[str, Dialect] = {}
        self._providers: dict[str, str] = {}
        self.dialects = MappingProxyType(self._dialects)

    def provider(self, dialect: str) -> str:
        """The plugin that announced `dialect`.

        Raises:
            KeyError: nobody did.
        """
        return self._providers[dialect]

    def accept(self, provider: str, item: object) -> list[str]:
        """Take in what plugin `provider` announced as a dialect, unless it has faults, which are
        returned."""
        if not isinstance(item, Dialect):
            return [
                f"register_dialects returned {item!r} among its dialects: return `Dialect` objects."
            ]
        faults = [*self._faults(provider, item)]
        if not faults:
            self._dialects[item.name] = item
            self._providers[item.name] = provider
        return faults

    def _faults(self, provider: str, dialect: Dialect) -> Iterator[str]:
        where = f"Dialect {dialect.name!r} of plugin {provider}"
        if not isinstance(dialect.name, str) or not _NAME.fullmatch(dialect.name):
            yield f"{where}: write its name in lower case letters, digits and underscores."
        elif dialect.name == NATIVE or dialect.name in self._dialects:
            owner = self._providers.get(dialect.name, "the server")
            yield f"{where}: the name is already used by {owner}; choose another."
        if not isinstance(dialect.build, str) or not _BUILD.fullmatch(dialect.build):
            yield f"{where}: `build` is {dialect.build!r}: write it as `module:callable`."
        options: object = dialect.options
        if options is not None and not (
            isinstance(options, type) and issubclass(options, BaseModel)
        ):
            yield f"{where}: `options` is {options!r}: make it a class derived from `BaseModel`."
        for text in dialect.rate_limits.values():
            try:
                parse(text)
            except ValueError as error:
                yield f"{where}: {error}."
