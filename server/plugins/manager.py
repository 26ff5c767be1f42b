"""Finds plugins, admits those that are sound, and calls their hooks.

A faulty plugin is loud and alone: its fault is logged and stands in its record, and everybody
else works on. That is why nothing here calls pluggy for all plugins at once where one that
raises would lose the others' results.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from server.errors import ConfigurationError, JobFailure, ModelLoadFailed, PluginFailed
from server.generation import Task
from server.model_entry import ModelEntry
from server.plugins import spec
from server.plugins.checks import HEAVY, hook_faults
from server.plugins.defaults import DefaultAnswers, Promise, checked_images, checked_pipeline
from server.plugins.dialects import DialectRegistry
from server.plugins.discovery import Candidate, Misplaced, built_in_plugins, found_plugins
from server.plugins.ledger import Ledger
from server.plugins.registry import ModelRegistry
from server.plugins.types import (
    Dialect,
    FinishedJob,
    LoadContext,
    ModelCard,
    ModelFamily,
    NewImage,
    Pipeline,
    PluginRecord,
    StepListener,
)
from server.wording import describe

if TYPE_CHECKING:
    from PIL.Image import Image

logger = logging.getLogger(__name__)

#: What hooks announce.
ANNOUNCED = {"register_model_families": "ModelFamily", "register_dialects": "Dialect"}


def discover(
    plugin_folder: Path | None = None,
    models: Iterable[ModelEntry] = (),
    *,
    package: str = "model_plugins",
    dialects: str | None = None,
) -> PluginManager:
    """Find and announce every plugin.

    Args:
        plugin_folder: the user's folder of `.py` files and packages.
        models: the configuration's own models, and its words for models that plugins announce.
        package: the package whose subpackages are the built-in families.
        dialects: the package whose subpackages are the built-in dialects; None leaves dialects
            alone, those of other plugins too: workers need none.

    Raises:
        ConfigurationError: some of `models` do not fit the families.
    """
    manager = PluginManager(speaks=dialects is not None)
    for built_in in filter(None, (package, dialects)):
        for candidate in built_in_plugins(built_in):
            manager.add(candidate)
    for candidate in found_plugins(plugin_folder):
        manager.add(candidate)
    faults = []
    for entry in models:
        try:
            manager.configure(entry)
        except ConfigurationError as error:
            faults.append(error.message)
    if faults:
        raise ConfigurationError("\n".join(faults))
    return manager


class PluginManager:
    """The plugins, and what the sound ones announced.

    Attributes:
        families: by name, in the order of announcement.
        cards: family and card by model id, in the order of announcement.
        configured: those of the cards that the configuration made or changed.
        dialects: by name, in the order of announcement.
    """

    families: Mapping[str, ModelFamily]
    cards: Mapping[str, tuple[ModelFamily, ModelCard]]
    configured: Mapping[str, ModelCard]
    dialects: Mapping[str, Dialect]

    def __init__(self, *, speaks: bool = False) -> None:
        """`speaks`: whether dialects are asked for."""
        self._registry = ModelRegistry()
        self._dialects = DialectRegistry()
        self.dialects = self._dialects.dialects
        self._accepting = {"register_model_families": self._registry.accept}
        if speaks:
            self._accepting["register_dialects"] = self._dialects.accept
        self.families = self._registry.families
        self.cards = self._registry.cards
        self.configured = self._registry.configured
        self._ledger = Ledger()
        self._packages: dict[str, str] = {}
        self._pluggy = pluggy.PluginManager(spec.PROJECT)
        self._pluggy.add_hookspecs(spec)
        self._pluggy.register(DefaultAnswers(self._registry), spec.PROJECT)

    def records(self) -> tuple[PluginRecord, ...]:
        """Every plugin that was found, with its faults and warnings so far. Thread-safe."""
        return self._ledger.records()

    def provider(self, family: str) -> str:
        """The name of the plugin that announced `family`.

        Raises:
            KeyError: nobody did.
        """
        return self._registry.provider(family)

    def dialect_provider(self, dialect: str) -> str:
        """The name of the plugin that announced `dialect`.

        Raises:
            KeyError: nobody did.
        """
        return self._dialects.provider(dialect)

    def announcer(self, name: str) -> str:
        """The name of the plugin that announced the family or the dialect of this name; where there
        is neither, the name itself, which may be a plugin's."""
        if name in self.families:
            return self.provider(name)
        return self.dialect_provider(name) if name in self.dialects else name

    def fault(self, provider: str, message: str) -> None:
        """Note a fault seen in use; the same one again changes nothing. Thread-safe."""
        self._ledger.fault(provider, message)

    def culprit(self, error: BaseException, family: str) -> str:
        """The plugin at fault when `error` came out of loading or generating for `family`: the
        one whose code raised it, else the family's provider."""
        if isinstance(error, PluginFailed) and error.provider:
            return error.provider
        cause = error.__cause__ or error
        for frame, _ in reversed(list(traceback.walk_tb(cause.__traceback__))):
            module = f"{frame.f_globals.get('__name__', '')}."
            for package, name in self._packages.items():
                if module.startswith(f"{package}."):
                    return name
        return self.provider(family)

    # --- announcement --------------------------------------------------------------------

    def add(self, candidate: Candidate) -> None:
        """Import a plugin, register it, and take in what it announces."""
        record = PluginRecord(candidate.name, candidate.version, candidate.origin)
        if record.name in self._ledger:
            fault = f"Another plugin is named {record.name}: rename one of the two."
            self._ledger.open(replace(record, faults=(fault,)))
            return
        self._ledger.open(record)
        heavy = HEAVY & sys.modules.keys()
        if self._register(candidate):
            self._announce(candidate.name)
        imported = (HEAVY & sys.modules.keys()) - heavy
        if imported:
            self._ledger.warn(
                candidate.name,
                f"It imports {', '.join(sorted(imported))} when it is announced, which makes the "
                "server slow to start: import it in the module that `load` names.",
            )

    def configure(self, entry: ModelEntry) -> None:
        """Take in a model of the configuration.

        Raises:
            ConfigurationError: it does not fit the families.
        """
        self._registry.configure(entry)

    def _register(self, candidate: Candidate) -> bool:
        """Import and register; a plugin with a faulty hook is refused whole."""
        name = candidate.name
        try:
            plugin = candidate.load()
        except Misplaced as error:
            self.fault(name, str(error))
            return False
        except (Exception, SystemExit) as error:
            logger.info("Plugin %s cannot be imported", name, exc_info=error)
            self.fault(name, f"Importing it raised {describe(error)}. Mend or remove it.")
            return False
        try:
            self._pluggy.register(plugin, name)
        except (pluggy.PluginValidationError, ValueError) as error:
            reason = str(error).replace("\n", ", ")
            self.fault(name, f"{reason}. Correct it: see the reference of hooks.")
            return False
        faults = [
            fault for hook, impl in self._implementations(name) for fault in hook_faults(impl, hook)
        ]
        for fault in faults:
            self.fault(name, fault)
        if faults:
            self._pluggy.unregister(name=name)
        self._packages[candidate.package] = name
        return not faults

    def _implementations(self, plugin: str) -> Iterator[tuple[str, pluggy.HookImpl]]:
        for hook, caller in vars(self._pluggy.hook).items():
            for implementation in caller.get_hookimpls():
                if implementation.plugin_name == plugin:
                    yield hook, implementation

    def _announce(self, name: str) -> None:
        for hook, implementation in self._implementations(name):
            if (accept := self._accepting.get(hook)) is not None:
                for item in self._announced(name, hook, implementation):
                    for fault in accept(name, item):
                        self.fault(name, fault)

    def _announced(self, name: str, hook: str, implementation: pluggy.HookImpl) -> Iterable[object]:
        try:
            answer: Any = implementation.function()
            if isinstance(answer, Iterable):
                return list(answer)
        except (Exception, SystemExit) as error:
            logger.info("Plugin %s cannot announce", name, exc_info=error)
            self.fault(name, f"{hook} raised {describe(error)}. Mend it.")
            return ()
        record = ANNOUNCED[hook]
        self.fault(name, f"{hook} returned {answer!r}: return a list of `{record}`.")
        return ()

    # --- in the worker -------------------------------------------------------------------

    def load_model(self, card: ModelCard, context: LoadContext) -> Pipeline:
        """Load a model.

        Raises:
            ModelLoadFailed: the family's `load`, or a plugin around it, raised; its cause is
                what was raised.
            PluginFailed: there is no such `load`, or what came of it is not a `Pipeline`.
        """
        try:
            pipeline: object = self._pluggy.hook.load_model(card=card, context=context)
        except JobFailure:
            raise
        except (Exception, SystemExit) as error:
            raise ModelLoadFailed(
                f"Loading the model `{card.id}` failed: {describe(error)}"
            ) from error
        return checked_pipeline(pipeline, self._around("load_model"))

    def generate(
        self, pipeline: Pipeline, task: Task[Any], on_step: StepListener
    ) -> Iterator[Image]:
        """Make the images of `task`, one by one.

        Raises:
            PluginFailed: something else than one RGB image per `task.indices` came.
            BaseException: whatever the pipeline, a plugin around it, or `on_step` raises.
        """
        images = self._pluggy.hook.generate(pipeline=pipeline, task=task, on_step=on_step)
        return checked_images(images, task.indices, self._around("generate"))

    def _around(self, hook: str) -> Promise:
        """Who is at fault when the family answered rightly: the outermost plugin around it."""
        caller = getattr(self._pluggy.hook, hook)
        names = [
            implementation.plugin_name
            for implementation in caller.get_hookimpls()
            if implementation.plugin_name != spec.PROJECT
        ]
        who = f"Hook `{hook}` of {' or '.join(names)}" if names else f"Hook `{hook}`"
        return (names[-1] if names else "", who)

    # --- in the server -------------------------------------------------------------------

    def job_finished(self, job: FinishedJob) -> None:
        """Tell every observer that a job ended."""
        self._observe("job_finished", job=job)

    def image_added(self, image: NewImage) -> None:
        """Tell every observer that an image stands in the gallery."""
        self._observe("image_added", image=image)

    def _observe(self, hook: str, **arguments: object) -> None:
        for implementation in getattr(self._pluggy.hook, hook).get_hookimpls():
            try:
                # A plugin may take fewer arguments than the specification has.
                implementation.function(*(arguments[name] for name in implementation.argnames))
            except (Exception, SystemExit) as error:
                logger.exception("Plugin %s raised in %s", implementation.plugin_name, hook)
                self.fault(implementation.plugin_name, f"{hook} raised {describe(error)}. Mend it.")
