"""Request bodies made from a model's published schema, and what the catalog says to them."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from server.catalog import ModelCatalog
from server.errors import InvalidParameters

QUICK = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True, database=None
)
IMAGES = [
    "data:image/png;base64,iVBORw0KGgo=",
    "20260121_115610_abcd1234_0.png",
    f"input:{'0' * 64}",
]
ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-3, 70).map(lambda value: value * 16)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.integers(1, 60).map(float)
    | st.text(max_size=5)
    | st.sampled_from(["euler", "heun", "512", "true", "", "image.png", *IMAGES]),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=4,
)


def check_agreement(catalog: ModelCatalog, model: str, examples: int) -> None:
    """Check that a model's schema and its server judge bodies alike: `examples` complete ones that
    the schema accepts, and as many with one word of any value.

    Raises:
        AssertionError: they do not; hypothesis shows the smallest body.
    """
    schema = catalog.schema(model)
    judge = Draft202012Validator(schema)
    words = sorted(set(schema["properties"]) - {"model"})
    needed = {
        word: schema["properties"][word].get("examples", ["red"])[0] for word in schema["required"]
    }

    @settings(QUICK, max_examples=examples)
    @given(body=bodies(schema))
    def accepted(body: dict[str, Any]) -> None:
        assert judge.is_valid(body) and accepts(catalog, body, model)

    @settings(QUICK, max_examples=examples)
    @given(word=st.sampled_from(words), value=ANY_JSON)
    def changed(word: str, value: Any) -> None:
        body = {**needed, word: value}
        assert accepts(catalog, body, model) == judge.is_valid(body)

    accepted()
    changed()


def accepts(catalog: ModelCatalog, body: dict[str, Any], model: str) -> bool:
    """Whether the catalog takes this body with `model` as the current one."""
    try:
        catalog.resolve(body, model)
    except InvalidParameters:
        return False
    return True


def bodies(schema: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Requests that the schema of a model accepts."""
    defaults = {word: schema["properties"].get(word, {}).get("default") for word in RUNNING}
    needs = Draft202012Validator({"not": schema.get("not", False)})
    return _objects(schema).filter(
        lambda body: needs.is_valid(body) and _runs_a_step({**defaults, **body})
    )


def values(schema: dict[str, Any]) -> st.SearchStrategy[Any]:  # noqa: PLR0911 - one per type
    """Values that the schema of one word accepts."""
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "anyOf" in schema:
        return st.one_of([values(option) for option in schema["anyOf"]])
    if schema["type"] == "integer":
        step = schema.get("multipleOf", 1)
        low, high = -(-schema.get("minimum", 0) // step), schema.get("maximum", 99) // step
        return st.integers(low, high).map(lambda value: value * step)
    if schema["type"] == "number":
        return st.floats(schema["minimum"], schema["maximum"])
    if schema["type"] == "array":
        # No schema can say that those with an id are each there once.
        key = _id if "id" in schema["items"].get("properties", {}) else None
        return st.lists(values(schema["items"]), max_size=schema["maxItems"], unique_by=key)
    if schema["type"] == "object":
        return _objects(schema)
    if "pattern" in schema:
        return st.sampled_from(IMAGES)
    if schema["type"] == "boolean":
        return st.booleans()
    if schema["type"] == "string":
        return st.text(min_size=schema.get("minLength", 0), max_size=20)
    assert schema["type"] == "null"
    return st.none()


def _objects(schema: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    words = {word: values(described) for word, described in schema["properties"].items()}
    required = {word: words.pop(word) for word in schema["required"]}
    return st.fixed_dictionaries(required, optional=words)


def _id(described: dict[str, Any]) -> Any:
    return described["id"]


#: The words of the one rule that no schema can say: an image to image runs at least a step.
RUNNING = ("steps", "strength", "init_image")


def _runs_a_step(body: dict[str, Any]) -> bool:
    images = body["init_image"] is not None and body["strength"] is not None
    return not images or int(body["steps"] * body["strength"]) >= 1
