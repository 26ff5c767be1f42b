"""The catalog: which models there are, and from a request to complete, validated parameters."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from server.errors import (
    ConfigurationError,
    InvalidParameters,
    MalformedReference,
    ModelLoadFailed,
    ModelNotFound,
    PluginFailed,
)
from server.generation import ALIASES, COMMON_WORDS, MAX_LORAS, ImageParams, Task
from server.model_files import ModelFiles
from server.plugins.manager import PluginManager
from server.plugins.types import ModelCard, ModelFamily
from server.records import Job
from server.request_schema import request_schema
from server.snapshots import Weights
from server.source_errors import UnsafeFile
from server.sources.progress import Listener
from server.sources.references import parse
from server.wording import shortened

#: Longer words are known to nobody; looking for the nearest would take their length squared.
MAX_NAME = 200

#: How many times the edge of what a model has learned from is worth a word.
MUCH_LARGER = 4

#: How many unknown words of one request are told.
MAX_UNKNOWN = 20

#: The ids of the LoRAs that a model can use.
LoraIds = Callable[[ModelFamily, ModelCard], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Resolved:
    """A request made complete, except for a seed that was left to chance.

    `warnings` are sentences about words of the request that this model does not use.
    """

    family: ModelFamily
    card: ModelCard
    params: ImageParams
    warnings: tuple[str, ...]


class ModelCatalog:
    """The cards that plugins announced, by id and alias."""

    def __init__(
        self, plugins: PluginManager, files: ModelFiles, default_model: str | None = None
    ) -> None:
        """
        Args:
            plugins: where families and cards come from.
            files: where the weights are.
            default_model: the model of requests that name none; None: the first bundled card that
                makes images from words.

        Raises:
            ConfigurationError: `default_model` is unknown or makes no images from words, no model
                does, or a source of a configured one cannot be understood or is a pickle.
        """
        for card in plugins.configured.values():
            _check_sources(card)
        self._plugins = plugins
        self._files = files
        self._names = _names(plugins.cards)
        self._lora_ids: LoraIds | None = None
        self._max_loras = MAX_LORAS
        self.default = self._choose(default_model)

    @property
    def image_words(self) -> frozenset[str]:
        """The words of requests that name images, whichever model takes them."""
        cards = self._plugins.cards.values()
        return frozenset(
            word for family, card in cards for word in family.params_of(card).image_words
        )

    def offer_loras(self, ids: LoraIds, limit: int) -> None:
        """Let schemas name the LoRAs that there are.

        Args:
            ids: called for every schema, whose ids are those of that moment.
            limit: how many LoRAs a request may have.
        """
        self._lora_ids, self._max_loras = ids, limit

    def cards(self) -> list[tuple[ModelFamily, ModelCard]]:
        """Every model, in the order of announcement."""
        return list(self._plugins.cards.values())

    def find(self, name: str) -> tuple[ModelFamily, ModelCard]:
        """The model with this id or alias.

        Raises:
            ModelNotFound: there is none; the message names the nearest.
        """
        try:
            return self._plugins.cards[self._names[name]]
        except KeyError:
            raise ModelNotFound(
                f"There is no model {shortened(name)!r}{_did_you_mean(name, self._names)} "
                f"Known models: {', '.join(self._plugins.cards)}."
            ) from None

    def names(self, name: str) -> tuple[str, ...]:
        """Every name of the model of this name, its id first; the name alone if there is none."""
        card_id = self._names.get(name)
        if card_id is None:
            return (name,)
        others = (other for other, meant in self._names.items() if meant == card_id != other)
        return (card_id, *others)

    def schema(self, name: str, *, lasting: bool = False) -> dict[str, Any]:
        """The JSON Schema (draft 2020-12) of requests to this model.

        The ids of LoRAs are those that can be used now, which do not stay the same: a `lasting`
        schema takes any.

        Raises:
            ModelNotFound
        """
        family, card = self.find(name)
        ids = None if lasting or self._lora_ids is None else self._lora_ids(family, card)
        return request_schema(family, card, ids, self._max_loras)

    def resolve(self, body: Mapping[str, Any], current: str) -> Resolved:
        """Fill in and validate a request.

        Args:
            body: the request's JSON object.
            current: the model that a request without `model` goes to.

        Raises:
            InvalidParameters: with one problem per field; unknown words get the nearest known.
        """
        family, card = self._model_of(body, current)
        words = {word: value for word, value in body.items() if word != "model"}
        words = _without_aliases(words)
        warnings, errors = self._foreign_words(words, family, card)
        params_class = family.params_of(card)
        own = {word: value for word, value in words.items() if word in params_class.model_fields}
        try:
            params = params_class.model_validate({**card.defaults, **card.fixed, **own})
        except ValidationError as error:
            raise InvalidParameters(errors + _problems(error)) from None
        errors += [
            _problem([word], f"this model always uses {value!r}", "const")
            for word, value in card.fixed.items()
            if getattr(params, word) != value
        ]
        if errors:
            raise InvalidParameters(errors)
        return Resolved(family, card, params, (*warnings, *_too_large(card, params)))

    def task(self, job: Job) -> Task[ImageParams]:
        """The task of a job: the images that are still missing.

        Raises:
            PluginFailed: its family is not installed any more, or no longer takes its parameters.
        """
        found = self._plugins.cards.get(job.model)
        if found is None or found[0].name != job.family:
            raise PluginFailed(
                f"The model {job.model!r} of family {job.family!r} is not installed any more. "
                "`darkroom plugins` shows what is."
            )
        wire = {
            "job_id": job.id,
            "model": job.model,
            "family": job.family,
            "params": job.params,
            "indices": job.missing,
        }
        try:
            return Task.from_wire(wire, found[0].params_of(found[1]))
        except ValidationError as error:
            raise PluginFailed(
                f"The family {job.family!r} no longer takes this job's parameters: {error}"
            ) from error

    def weights(self, card: ModelCard) -> Weights:
        """Where the card's files lie. Blocks.

        Raises:
            ModelLoadFailed: they are not (all) on this machine.
        """
        return self._files.find(*self.find(card.id))

    def disk_bytes(self, card: ModelCard) -> int:
        """Bytes of the card's weights on this machine. Blocks.

        Raises:
            ModelLoadFailed: they are not (all) on this machine.
        """
        return self._files.disk_bytes(self.weights(card))

    def downloads(self, model: str) -> set[Path]:
        """The folders that downloads of a model fill, and of no other one. Blocks.

        Raises:
            ModelNotFound
            ModelLoadFailed: a source of the model cannot be understood.
        """
        family, card = self.find(model)
        own = self._files.downloads(family, card)
        for pair in self.cards():
            if pair[1].id != card.id:
                with contextlib.suppress(ModelLoadFailed):
                    own -= self._files.downloads(*pair)
        return own

    def must_fetch(self, model: str) -> bool:
        """Whether the model's files are missing here and can be downloaded. Blocks."""
        found = self._plugins.cards.get(self._names.get(model, ""))
        return found is not None and self._files.can_fetch(*found)

    async def fetch(self, model: str, progress: Listener) -> None:
        """Download what is missing of a model.

        Raises:
            SourceFailed: one of its kinds.
        """
        await self._files.fetch(*self.find(model), progress)

    def _choose(self, default_model: str | None) -> str:
        if default_model is not None:
            try:
                family, card = self.find(default_model)
            except ModelNotFound as error:
                raise ConfigurationError(f"default_model: {error}") from error
            if not family.begins_with_words(card):
                raise ConfigurationError(
                    f"default_model: {card.id} makes no images from words alone. Name another."
                )
            return card.id
        found = [card for family, card in self.cards() if family.begins_with_words(card)]
        if not found:
            raise ConfigurationError(
                "No model family that makes images from words could be used. `darkroom plugins` "
                "shows what is wrong."
            )
        return next((card for card in found if card.bundled), found[0]).id

    def _model_of(self, body: Mapping[str, Any], current: str) -> tuple[ModelFamily, ModelCard]:
        name = body.get("model", current)
        if not isinstance(name, str):
            raise InvalidParameters([_problem(["model"], "must be a model's id", "string_type")])
        try:
            return self.find(name)
        except ModelNotFound as error:
            problem = _problem(["model"], error.message, ModelNotFound.code)
            raise InvalidParameters([problem]) from None

    def _foreign_words(
        self, words: Mapping[str, Any], family: ModelFamily, card: ModelCard
    ) -> tuple[list[str], list[dict[str, Any]]]:
        """Warnings for words of other families and without effect, problems for words that nobody
        knows."""
        own = family.params_of(card).model_fields
        known = {*COMMON_WORDS, *self._all_words()}
        warnings: list[str] = []
        errors: list[dict[str, Any]] = []
        for word, value in words.items():
            if word in own:
                continue
            if word == "loras" and value != []:
                text = (
                    f"{card.id} does not support LoRAs; leave `loras` out or send []. "
                    f"{self._lora_models()}"
                )
                errors.append(_problem([word], text, "loras_unsupported"))
            elif word in known:
                warnings.append(f"`{word}` is not used by {card.id} and was ignored.")
            elif len(errors) < MAX_UNKNOWN:
                others = {alias: name for alias, name in ALIASES.items() if name in own}
                hint = _did_you_mean(word, {**{name: name for name in (*own, "model")}, **others})
                text = f"unknown parameter{hint}".removesuffix(".")
                errors.append(_problem([shortened(word)], text, "extra_forbidden"))
        # The recipe of an image that was made of words alone says `init_image: null`.
        pair = {"strength", "init_image"}
        if pair <= own.keys() and pair & words.keys() == {"strength"}:
            warnings.append("`strength` is only used with `init_image`.")
        return warnings, errors

    def _lora_models(self) -> str:
        found = [
            card.id
            for family, card in self.cards()
            if "loras" in family.params_of(card).model_fields
        ]
        return f"Models that do: {', '.join(found)}" if found else "No model here does"

    def _all_words(self) -> set[str]:
        cards = self._plugins.cards.values()
        return {word for family, card in cards for word in family.params_of(card).model_fields}


def _too_large(card: ModelCard, params: ImageParams) -> Iterator[str]:
    """A warning, where an image is far larger than what the model has learned from."""
    size, learned = params.image_size, card.training_resolution
    if size is not None and max(size) > MUCH_LARGER * learned:
        yield (
            f"{card.id} has learned from pictures of {learned} x {learned} pixels; one of "
            f"{size[0]} x {size[1]} may not show what was asked for."
        )


def _check_sources(card: ModelCard) -> None:
    """
    Raises:
        ConfigurationError: one of the sources of a configured card is none.
    """
    sources = {"source": card.source, "config": card.config, **card.components}
    for name, source in sources.items():
        try:
            if source is not None:
                parse(source)
        except (MalformedReference, UnsafeFile) as error:
            raise ConfigurationError(f"[[models]] {card.id}: `{name}`: {error.message}") from error


def _names(cards: Mapping[str, tuple[ModelFamily, ModelCard]]) -> dict[str, str]:
    """Every id and alias → id; ids come first, so that no alias can hide one."""
    aliases = {alias: card.id for _, card in cards.values() for alias in card.aliases}
    return {**aliases, **{card_id: card_id for card_id in cards}}


def _without_aliases(words: Mapping[str, Any]) -> dict[str, Any]:
    """Other names replaced by ours; one word given under both names is a problem."""
    named: dict[str, Any] = {}
    for word, value in words.items():
        name = ALIASES.get(word, word)
        if name in named:
            text = f"is another name of `{name}`, which was given too"
            raise InvalidParameters([_problem([word], text, "duplicate_parameter")])
        named[name] = value
    return named


def _problem(loc: Sequence[str | int], msg: str, kind: str) -> dict[str, Any]:
    return {"loc": list(loc), "msg": msg, "type": kind}


def _problems(error: ValidationError) -> list[dict[str, Any]]:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [_problem(item["loc"], _said(item), item["type"]) for item in found]


def _said(error: ErrorDetails) -> str:
    if error["type"] == "model_type":  # whose own words are about Python
        return 'must be a JSON object, {"id": "name"} say'
    return error["msg"]


def _did_you_mean(word: str, known: Mapping[str, str]) -> str:
    """The end of a sentence; `known` has what to propose for each name."""
    if len(word) > MAX_NAME:
        return "."
    begun = [name for name in known if word and name.startswith(word)]
    near = begun or difflib.get_close_matches(word, known, n=1)
    return f"; did you mean `{known[near[0]]}`?" if near else "."
