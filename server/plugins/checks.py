"""Is what a plugin brings sound? Every function returns its findings as sentences that name the
thing and the remedy."""

from __future__ import annotations

import difflib
import importlib.util
import inspect
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import pluggy
from pydantic import ValidationError

from server.generation import ImageParams, LoraParams
from server.plugins import spec
from server.plugins.types import LoraSupport, ModelCard, ModelFamily
from server.wording import describe, summary

#: What must not be imported to announce a family: it would make the web process slow and large.
HEAVY = frozenset({"torch", "diffusers", "transformers"})

#: What a model's id and aliases may be.
_CARD_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_LOAD = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")


def hook_faults(implementation: pluggy.HookImpl, name: str) -> Iterator[str]:
    """What is wrong with one implementation of hook `name`, as far as its signature shows."""
    function, wraps = implementation.function, implementation.wrapper or implementation.hookwrapper
    known = spec.hooks()
    if name not in known:
        if not implementation.optionalhook:
            yield f"There is no hook `{name}`. {nearest(name, known)}"
    elif inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        yield f"Hook `{name}` is an async function: write it as a plain `def`."
    elif name in spec.WRAPPABLE:
        if inspect.isgeneratorfunction(function) and not wraps:
            yield (
                f"Hook `{name}` is a generator function, which would answer for every family: "
                "return an iterator or None, or make it a wrapper with "
                "`@hookimpl(wrapper=True)`."
            )
    elif wraps:
        yield f"Hook `{name}` cannot be wrapped, only {_words(spec.WRAPPABLE)} can."


def nearest(word: str, known: Iterable[str]) -> str:
    """A sentence: `Did you mean …?` when some known word is near, else `There are …`."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1)
    return f"Did you mean `{close[0]}`?" if close else f"There are {_words(names)}."


def _words(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))


def family_faults(family: ModelFamily) -> Iterator[str]:
    """What makes a whole family unusable."""
    yield from _load_faults(family)
    where = f"Family `{family.name}`"
    yield from _lora_faults(where, family.loras, family.capabilities)
    yield from _params_faults(where, family, family.params)


def _lora_faults(where: str, support: object, capabilities: Collection[str]) -> Iterator[str]:
    if support is not None and not isinstance(support, LoraSupport):
        yield f"{where}: `loras` is {support!r}: make it a `darkroom.loras.LoraSupport`."
    elif support is None and "loras" in capabilities:
        yield f"{where}: it has the capability `loras`, but no `loras`: announce a `LoraSupport`."
    elif support is not None:
        if "loras" not in capabilities:
            yield f"{where}: it announces `loras`: add the capability `loras`."
        if strangers := support.names.strangers():
            yield (
                f"{where}: of its LoRA names {_words(strangers)} mean no templates of `own`: "
                "correct them, or add those."
            )


def _lora_params_faults(where: str, family: ModelFamily, params: type[Any]) -> Iterator[str]:
    takes_loras = issubclass(params, LoraParams)
    if family.loras is not None and not takes_loras:
        yield (
            f"{where}: the family takes LoRAs, but {params.__name__} has no word for them: derive "
            "it from `darkroom.loras.LoraParams` too."
        )
    if family.loras is None and takes_loras:
        yield (
            f"{where}: {params.__name__} is a `LoraParams`, but the family announces no `loras`: "
            "add a `LoraSupport`, or derive it from `GenerationParams` alone."
        )


def _params_faults(where: str, family: ModelFamily, params: object) -> Iterator[str]:
    if not (isinstance(params, type) and issubclass(params, ImageParams)):
        yield f"{where}: `params` is {params!r}: make it a subclass of `darkroom.GenerationParams`."
        return
    yield from _lora_params_faults(where, family, params)
    try:
        params.model_json_schema()
    except Exception as error:  # noqa: BLE001 - the class is the plugin's
        yield f"{where}: {params.__name__} has no JSON Schema: {describe(error)}"
        return
    problem = default_problem(params, {})
    if problem:
        yield (
            f"{where}: {params.__name__} does not validate its own defaults: {problem}. "
            "Mend the default or its bounds."
        )


def _load_faults(family: ModelFamily) -> Iterator[str]:
    where = f"Family `{family.name}`: `load` is {family.load!r}"
    if not (isinstance(family.load, str) and _LOAD.fullmatch(family.load)):
        yield f'{where}: write it as "module:callable".'
        return
    module = family.load.partition(":")[0]
    try:
        found = importlib.util.find_spec(module) is not None
    except Exception as error:  # noqa: BLE001 - finding a submodule imports the plugin's packages
        yield f"{where}: looking for module `{module}` raised {describe(error)}"
        return
    if not found:
        yield f"{where}: there is no module `{module}`; correct the name or add the file."


def card_faults(family: ModelFamily, card: object) -> Iterator[str]:
    """What makes one card of a sound family unusable."""
    if not isinstance(card, ModelCard):
        yield (
            f"Family `{family.name}`: {card!r} among its cards is not a `ModelCard`; make it one."
        )
        return
    for name in (card.id, *card.aliases):
        if not _CARD_NAME.fullmatch(name):
            yield (
                f"Model `{name}`: its name must be letters, digits, `.`, `_` and `-`, since it "
                "stands in URLs. Rename it."
            )
    if card.params is not None:
        faults = list(_params_faults(f"Model `{card.id}`", family, card.params))
        yield from faults
        if faults:
            return
    params = family.params_of(card)
    problem = default_problem(params, {**card.defaults, **card.fixed})
    if problem:
        yield (
            f"Model `{card.id}`: its `defaults` and `fixed` values are not valid: {problem}. "
            "Correct them."
        )


def default_problem(params: type[ImageParams], values: Mapping[str, Any]) -> str:
    """Why a request of defaults and `values` is refused, empty when it is accepted.

    It travels as a request does: as JSON, validated by the class.
    """
    try:
        body = {**default_request(params), **values}
        params.model_validate(params.model_validate(body).model_dump(mode="json"))
    except ValidationError as error:
        return summary([_explained(dict(problem), params) for problem in error.errors()])
    except Exception as error:  # noqa: BLE001 - validators are the plugin's code
        return describe(error)
    return ""


def _explained(problem: dict[str, Any], params: type[ImageParams]) -> dict[str, Any]:
    """`problem`, and for a word that is none the nearest."""
    if problem["type"] != "extra_forbidden" or len(problem["loc"]) > 1:
        return problem
    close = difflib.get_close_matches(str(problem["loc"][0]), params.model_fields, n=1)
    hint = f"; did you mean `{close[0]}`?" if close else ""
    return {**problem, "msg": f"there is no such parameter{hint}"}


def default_request(params: type[ImageParams]) -> dict[str, Any]:
    """The defaults of `params` as JSON-compatible data, with a prompt, and with the first example
    of what else is required."""
    fields = params.model_fields
    examples = {
        name: field.examples[0]
        for name, field in fields.items()
        if field.is_required() and field.examples
    }
    values = {
        name: field.get_default(call_default_factory=True, validated_data={})
        for name, field in fields.items()
        if not field.is_required()
    }
    prompt = values.get("prompt") or next(iter(fields["prompt"].examples or []), "a test picture")
    built = params.model_construct(**{**examples, **values, "prompt": prompt})
    return built.model_dump(mode="json", warnings=False)
