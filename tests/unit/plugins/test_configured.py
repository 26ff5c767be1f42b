"""Models of the configuration: new ones, changed ones, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from server.config import load_settings
from server.errors import ConfigurationError
from server.model_entry import ModelEntry
from server.plugins.manager import PluginManager, discover
from server.plugins.types import ModelCard
from tests.support import PLUGINS


def configured(**words: Any) -> PluginManager:
    return discover(PLUGINS, [ModelEntry.model_validate(words)])


def card(manager: PluginManager, model: str) -> ModelCard:
    return manager.cards[model][1]


def test_a_model_that_there_is_gets_other_words_and_keeps_the_rest() -> None:
    before = card(discover(PLUGINS), "colours")
    after = card(configured(id="colours", source="org/x", defaults={"steps": 9}), "colours")
    assert (after.source, after.defaults) == ("org/x", {"steps": 9})
    assert (after.title, after.aliases, after.license) == (
        *(before.title, before.aliases),
        before.license,
    )


def test_a_new_model_may_be_like_another() -> None:
    manager = configured(id="mine", like="colours-four-step", source="/w", dtype="float16")
    mine = card(manager, "mine")
    assert (mine.source, mine.fixed, mine.dtype) == ("/w", {"steps": 4}, "float16")
    assert (mine.title, mine.aliases, mine.bundled) == ("mine", (), False)
    assert list(manager.cards)[-1] == "mine"


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
    with pytest.raises(ConfigurationError, match=r"models\.0\.sauce"):
        load_settings(file)
