"""Models of the configuration: new ones, changed ones, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from server import quantization
from server.catalog import ModelCatalog
from server.config import Settings, load_settings
from server.errors import ConfigurationError
from server.model_entry import ModelEntry
from server.model_files import ModelFiles
from server.plugins.manager import PluginManager, discover
from server.plugins.types import ModelCard
from tests.support import PLUGINS


def configured(**words: Any) -> PluginManager:
    return discover(PLUGINS, [ModelEntry.model_validate(words)])


def card(manager: PluginManager, model: str) -> ModelCard:
    return manager.cards[model][1]


def test_a_model_that_there_is_gets_other_words_and_keeps_the_rest() -> None:
    before = card(discover(PLUGINS), "colours")
    after = card(configured(id="colours", title="Hues", defaults={"steps": 9}), "colours")
    assert after == replace(before, title="Hues", defaults={"steps": 9})


def facts(card: ModelCard) -> tuple[object, ...]:
    """What is only true of a card's own weights."""
    return card.license, card.size_bytes, card.description, card.variant, card.bundled


NOTHING_KNOWN = ("", 0, "", None, False)


def test_facts_of_other_weights_do_not_carry_over() -> None:
    before = card(discover(), "sdxl-base")
    assert all(facts(before)[:4])
    entries: list[dict[str, Any]] = [
        {"id": "sdxl-base", "source": "/w"},
        {"id": "mine", "like": "sdxl-base", "source": "/w"},
    ]
    manager = discover(None, [ModelEntry.model_validate(entry) for entry in entries])
    changed, new = card(manager, "sdxl-base"), card(manager, "mine")
    assert facts(changed) == facts(new) == NOTHING_KNOWN
    assert (changed.title, changed.aliases) == (before.title, before.aliases)
    assert (new.title, new.aliases) == ("mine", ())
    assert (changed.config, new.config) == (before.source, "/w")


def test_a_bundled_model_with_other_weights_is_not_bundled() -> None:
    assert facts(card(configured(id="colours", source="/w"), "colours")) == NOTHING_KNOWN


def test_facts_of_new_weights_may_be_given() -> None:
    words = {"license": "MIT", "description": "Mine.", "variant": "fp16"}
    mine = card(configured(id="mine", like="colours", source="/w", **words), "mine")
    assert facts(mine) == ("MIT", 0, "Mine.", "fp16", False)


def test_the_same_weights_under_another_name_keep_their_facts() -> None:
    manager = configured(id="quick", like="colours", defaults={"steps": 2})
    assert facts(card(manager, "quick")) == facts(card(manager, "colours"))


def test_a_new_model_may_be_like_another() -> None:
    manager = configured(id="mine", like="colours-four-step", source="/w", dtype="float16")
    mine = card(manager, "mine")
    assert (mine.source, mine.fixed, mine.dtype) == ("/w", {"steps": 4}, "float16")
    assert (mine.title, mine.aliases, mine.bundled) == ("mine", (), False)
    assert list(manager.cards)[-1] == "mine"


def test_a_model_has_the_size_of_the_one_it_is_like() -> None:
    like = card(configured(id="mine", like="flux-2-klein-9b", source="/w"), "mine")
    moved = card(configured(id="flux-2-klein-4b", source="/w"), "flux-2-klein-4b")
    plain = card(configured(id="mine", family="flux2", source="/w"), "mine")
    assert (like.lora_width, moved.lora_width, plain.lora_width) == (4096, 3072, None)


def test_a_new_model_of_a_family_takes_what_it_is_given() -> None:
    parts = {"vae": "org/vae"}
    manager = configured(
        id="mine",
        family="colours",
        source="org/mine",
        aliases=["m"],
        title="Mine",
        components=parts,
    )
    mine = card(manager, "mine")
    assert (mine.title, mine.aliases, mine.components) == ("Mine", ("m",), parts)
    assert manager.cards["mine"][0] is manager.families["colours"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"id": "mine"}, "needs `source`, and `family` or `like`"),
        ({"id": "mine", "family": "colors", "source": "/w"}, "Did you mean `colours`"),
        ({"id": "mine", "like": "colour", "source": "/w"}, "Did you mean `colours`"),
        ({"id": "colours", "family": "postcard"}, "is of the family `colours`"),
        ({"id": "colours", "defaults": {"steps": 0}}, "not valid"),
        ({"id": "colours", "defaults": {"stepz": 1}}, "not valid"),
        ({"id": "mine", "like": "colours", "source": "/w", "aliases": ["postcard"]}, "already"),
        ({"id": "mine", "like": "colours", "source": "/w", "aliases": ["a b"]}, "URLs"),
        (
            {"id": "mine", "like": "colours", "source": "/w.gguf", "quantization": "fp8"},
            "quantized already",
        ),
        (
            {"id": "mine", "like": "colours", "source": "/w.gguf", "offload": "sequential"},
            "would forget how they are stored",
        ),
        (
            {
                **{"id": "mine", "like": "colours", "source": "o/r"},
                **{"quantization": "nf4", "offload": "sequential"},
            },
            "`nf4` does not go with offload `sequential`",
        ),
        (
            {"id": "mine", "like": "colours", "source": "o/r/w.safetensors", "quantization": "nf4"},
            "single file",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(words: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"\[\[models\]\] {words['id']}: .*{says}"):
        configured(**words)


def test_the_file_says_it_so(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    file = tmp_path / "darkroom.toml"
    file.write_text(
        '[[models]]\nid = "mine"\nfamily = "colours"\nsource = "weights"\n'
        '[models.components]\nvae = "./vae.safetensors"\n'
        '[[models]]\nid = "far"\nfamily = "colours"\nsource = "org/far"\n'
    )
    mine, far = load_settings(file).models
    assert mine.source == str(tmp_path / "weights")
    assert mine.components == {"vae": str(tmp_path / "vae.safetensors")}
    assert far.source == "org/far"


def test_a_misspelt_word_is_named(tmp_path: Path) -> None:
    file = tmp_path / "darkroom.toml"
    file.write_text('[[models]]\nid = "mine"\nsauce = "x"\n')
    with pytest.raises(ConfigurationError, match=r"\[\[models\]\] mine: sauce: .*`source`"):
        load_settings(file)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"source": "not a source at all !!"}, "`source`: .*does not say where weights are"),
        ({"source": "/w/model.ckpt"}, "`source`: .*is a pickle"),
        ({"source": "org/model/model.bin"}, "`source`: .*is a pickle"),
        ({"source": "https://example.org/model.pt"}, "`source`: .*is a pickle"),
        ({"source": "/w", "config": "???"}, "`config`: .*does not say"),
        ({"source": "/w", "components": {"vae": "/w/vae.pth"}}, "`vae`: .*is a pickle"),
    ],
)
def test_a_source_that_is_none_is_refused_at_once(words: dict[str, Any], says: str) -> None:
    plugins = configured(id="mine", like="colours", **words)
    with pytest.raises(ConfigurationError, match=rf"\[\[models\]\] mine: {says}"):
        ModelCatalog(plugins, ModelFiles(Settings()))


@pytest.mark.parametrize(
    ("words", "package"),
    [({"source": "o/r", "quantization": "fp8"}, "torchao"), ({"source": "/w.gguf"}, "gguf")],
)
def test_a_missing_package_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch, words: dict[str, Any], package: str
) -> None:
    monkeypatch.setattr(quantization, "find_spec", lambda _name: None)
    with pytest.raises(ConfigurationError, match=rf"mine: .*pip install 'darkroom\[{package}\]'"):
        configured(id="mine", like="colours", **words)


def configured_all(*entries: dict[str, Any]) -> PluginManager:
    return discover(PLUGINS, [ModelEntry.model_validate(entry) for entry in entries])


FILE = "/w/x.safetensors"


@pytest.mark.parametrize(
    ("base", "config"),
    [
        ({"id": "base2", "family": "sdxl", "source": "/models/base2"}, "/models/base2"),
        ({"id": "base2", "family": "sdxl", "source": "org/base2"}, "org/base2"),
        ({"id": "base2", "like": "sdxl-base", "source": "/w/y.gguf", "config": "/c"}, "/c"),
        ({"id": "base2", "like": "sdxl-base", "source": "civitai:1", "config": "/c"}, "/c"),
        ({"id": "base2", "like": "sdxl-base", "source": "https://e.org/y", "config": "/c"}, "/c"),
    ],
)
def test_a_file_takes_what_it_lacks_from_where_the_model_it_is_like_has_it(
    base: dict[str, Any], config: str
) -> None:
    manager = configured_all(base, {"id": "mine", "like": "base2", "source": FILE})
    assert card(manager, "mine").config == config


@pytest.mark.parametrize("words", [{"like": "sdxl-base"}, {"family": "sdxl"}])
def test_a_file_takes_what_it_lacks_from_where_a_model_lies_now(words: dict[str, str]) -> None:
    moved = {"id": "sdxl-base", "source": "/models/sdxl"}
    manager = configured_all(moved, {"id": "mine", "source": FILE, **words})
    assert card(manager, "mine").config == "/models/sdxl"


def test_every_entry_at_fault_is_told() -> None:
    with pytest.raises(ConfigurationError) as caught:
        configured_all({"id": "a"}, {"id": "colours", "title": "Hues"}, {"id": "b", "like": "c"})
    first, second = caught.value.message.splitlines()
    assert first.startswith("[[models]] a: ") and second.startswith("[[models]] b: ")


def test_a_misspelt_parameter_among_the_defaults_is_named() -> None:
    with pytest.raises(ConfigurationError) as caught:
        configured(id="colours", defaults={"stepz": 9})
    assert "stepz: there is no such parameter; did you mean `steps`?" in caught.value.message
    assert "Params" not in caught.value.message
