"""Each fault a plugin can have: its record names it, and the good family next to it works."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from server.errors import ModelLoadFailed, PluginFailed
from server.generation import Task
from server.plugins.manager import PluginManager, discover
from server.plugins.types import FinishedJob, LoadContext, NewImage, Pipeline, PluginRecord
from tests.support import COLOURS, GALLERY, TESTS, WATERMARK, Listener, fill_folder

#: Plugins refused at the start, and the words their fault must have: the thing and the remedy.
AT_START = {
    "import_error": ["No module named 'a_module_that_nobody_has'", "Mend"],
    "import_exits": ["SystemExit: this plugin needs a licence key", "Mend"],
    "misspelt_hook": ["register_model_familys", "Did you mean `register_model_families`?"],
    "wrong_argument": ["job_finished", "'jobs'", "Correct it"],
    "hook_raises": ["register_model_families", "RuntimeError: no families today", "Mend"],
    "hook_returns_number": ["register_model_families", "42", "return a list of `ModelFamily`"],
    "hook_returns_names": ["register_model_families", "'sunsets'", "return `ModelFamily`"],
    "duplicate_family": ["`colours`", "plugin duplicate_family", "plugin colours", "rename"],
    "params_not_params": ["`params_not_params`", "Params", "subclass of `darkroom.Generation"],
    "bad_defaults": ["`bad_defaults`", "steps", "150", "Mend the default"],
    "load_malformed": ["`load_malformed`", "'load_malformed.load'", '"module:callable"'],
    "load_no_module": ["`load_no_module`", "`load_no_module_pipelines`", "correct the name"],
    "generate_hook_generator": ["`generate`", "generator function", "wrapper=True"],
    "load_hook_generator": ["`load_model`", "generator function", "wrapper=True"],
    "hook_async": ["`image_added`", "async", "`def`"],
    "wraps_observer": ["`register_model_families`", "cannot be wrapped", "`load_model`"],
}

#: What the pipelines of `generation_faults` do, and the words of the fault.
IN_GENERATION = {
    "too_few": ["made 1 of 2 images", "one per `task.indices`"],
    "too_many": ["made more than 2 images", "one per `task.indices`"],
    "no_image": ["an object of type str", "PIL images"],
    "grey": ["mode L", "RGB"],
    "nothing": ["answered nothing", "return an iterator"],
}


def discovered(folder: Path, *plugins: str | Path) -> PluginManager:
    """The built-in families, `colours`, and these plugins of the gallery."""
    files = [item if isinstance(item, Path) else GALLERY / f"{item}.py" for item in plugins]
    return discover(fill_folder(folder, COLOURS, *files))


def record(manager: PluginManager, name: str) -> PluginRecord:
    """The record of plugin `name`."""
    return next(item for item in manager.records() if item.name == name)


def load(manager: PluginManager, model: str) -> Pipeline:
    """A loaded model of the tests' families."""
    context = LoadContext(path=TESTS, device="cpu", dtype="float32")
    return manager.load_model(manager.cards[model][1], context)


def task(manager: PluginManager, model: str, **values: Any) -> Task[Any]:
    """A task for two small images."""
    family, _ = manager.cards[model]
    body = {"prompt": "a test", "seed": 1, "width": 64, "height": 64, "num_images": 2, **values}
    return Task("job", model, family.name, family.params.model_validate(body), (0, 1))


def assert_unharmed(manager: PluginManager) -> None:
    """The good family announces, loads and generates."""
    assert record(manager, "colours") == PluginRecord("colours", "1.2.3", _origin(manager))
    images = list(manager.generate(load(manager, "colours"), task(manager, "colours"), Listener()))
    assert [image.size for image in images] == [(64, 64), (64, 64)]
    assert images[0].tobytes() != images[1].tobytes()


def _origin(manager: PluginManager) -> str:
    origin = record(manager, "colours").origin
    assert origin.endswith("colours.py")
    return origin


@pytest.mark.parametrize("name", AT_START)
def test_a_plugin_refused_at_the_start(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    manager = discovered(tmp_path, name)
    faulty = record(manager, name)
    assert not faulty.ok
    assert (faulty.version, faulty.origin) == ("9.8.7", str(tmp_path / f"{name}.py"))
    assert len(faulty.faults) == 1
    for words in AT_START[name]:
        assert words in faulty.faults[0]
    assert faulty.faults[0] in caplog.text
    assert name not in manager.families
    assert "colours" in manager.cards
    assert_unharmed(manager)


def test_a_file_that_is_not_python(tmp_path: Path) -> None:
    (tmp_path / "not_python_at_all.py").write_text('__version__ = "0.1"\nif True\n')
    manager = discovered(tmp_path)
    faulty = record(manager, "not_python_at_all")
    assert faulty.version == "0.1"
    assert "SyntaxError" in faulty.faults[0]
    assert "not_python_at_all.py, line 2" in faulty.faults[0]
    assert_unharmed(manager)


def test_a_taken_model_name_refuses_that_card_only(tmp_path: Path) -> None:
    manager = discovered(tmp_path, "duplicate_model")
    taken_id, taken_alias = record(manager, "duplicate_model").faults
    for fault in (taken_id, taken_alias):
        assert "plugin duplicate_model" in fault
        assert "plugin colours" in fault
    assert "`colours`" in taken_id
    assert "`colors`" in taken_alias
    assert manager.cards["colours"][0].name == "colours"
    assert "fresh" not in manager.cards
    assert manager.cards["free"][0].name == "duplicate_model"
    assert_unharmed(manager)


def test_a_card_with_values_its_family_refuses(tmp_path: Path) -> None:
    manager = discovered(tmp_path, "bad_card")
    bad, odd = record(manager, "bad_card").faults
    assert "`bad`" in bad
    assert "steps" in bad
    assert "`odd`" in odd
    assert "stepz" in odd
    assert [model for model, (family, _) in manager.cards.items() if family.name == "bad_card"] == [
        "good"
    ]
    assert_unharmed(manager)


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("load_no_callable", PluginFailed, "`load_no_callable:lode`"),
        ("load_returns_text", PluginFailed, "an object of type str instead of a Pipeline"),
        ("load_raises", ModelLoadFailed, "OSError: the weights are damaged"),
    ],
)
def test_a_load_that_fails_at_first_use(
    name: str, error: type[PluginFailed], words: str, tmp_path: Path
) -> None:
    manager = discovered(tmp_path, name)
    assert record(manager, name).ok
    with pytest.raises(error) as caught:
        load(manager, name)
    assert words in caught.value.message
    culprit = manager.culprit(caught.value, name)
    manager.fault(culprit, caught.value.message)
    assert record(manager, name).faults == (caught.value.message,)
    assert_unharmed(manager)


@pytest.mark.parametrize("model", IN_GENERATION)
def test_a_pipeline_that_breaks_its_promise(model: str, tmp_path: Path) -> None:
    manager = discovered(tmp_path, "generation_faults")
    with pytest.raises(PluginFailed) as caught:
        list(manager.generate(load(manager, model), task(manager, model), Listener()))
    assert "family `generation_faults`" in caught.value.message
    for words in IN_GENERATION[model]:
        assert words in caught.value.message
    assert manager.culprit(caught.value, "generation_faults") == "generation_faults"
    assert_unharmed(manager)


def test_an_exception_of_the_pipeline_comes_through_after_the_images_before(
    tmp_path: Path,
) -> None:
    manager = discovered(tmp_path, "generation_faults")
    images = manager.generate(load(manager, "raises"), task(manager, "raises"), Listener())
    assert next(images).size == (64, 64)
    with pytest.raises(RuntimeError, match="the second image is too hard") as caught:
        next(images)
    assert manager.culprit(caught.value, "generation_faults") == "generation_faults"
    assert_unharmed(manager)


def test_a_wrapper_that_drops_what_it_got_is_blamed_itself(tmp_path: Path) -> None:
    manager = discovered(tmp_path, "wrapper_spoils")
    with pytest.raises(PluginFailed, match="`load_model` of wrapper_spoils returned nothing") as at:
        load(manager, "colours")
    assert manager.culprit(at.value, "colours") == "wrapper_spoils"
    good = load(discovered(tmp_path / "good"), "colours")
    with pytest.raises(PluginFailed, match="`generate` of wrapper_spoils answered nothing") as at:
        list(manager.generate(good, task(manager, "colours"), Listener()))
    assert manager.culprit(at.value, "colours") == "wrapper_spoils"


def test_what_raises_inside_a_wrapper_is_the_wrappers_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = discovered(tmp_path, WATERMARK)

    # A word of another type makes the plugin's own line raise.
    monkeypatch.setattr(sys.modules["watermark"], "SIZE", "eight")
    with pytest.raises(TypeError, match="unsupported operand") as caught:
        list(manager.generate(load(manager, "colours"), task(manager, "colours"), Listener()))
    assert manager.culprit(caught.value, "colours") == "watermark"


def test_observers_that_raise_harm_nobody_and_are_recorded_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    manager = discovered(tmp_path, "observer_raises")
    for _ in range(2):
        manager.job_finished(FinishedJob("job-7", "completed", "colours", {}))
        manager.image_added(NewImage("job-7_0.png", tmp_path, {}))
    faults = record(manager, "observer_raises").faults
    assert [fault.partition(".")[0] for fault in faults] == [
        "job_finished raised RuntimeError: cannot write down job-7",
        "image_added raised RuntimeError: cannot upload",
    ]
    tracebacks = [entry for entry in caplog.records if entry.exc_info]
    assert len(tracebacks) == 4
    assert all(entry.levelno == logging.ERROR for entry in tracebacks)
    assert_unharmed(manager)


def test_a_keyboard_interrupt_is_nobodys_fault(tmp_path: Path) -> None:
    (tmp_path / "interrupted_import.py").write_text("raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        discover(tmp_path)


def test_torch_at_announcement_is_warned_of(tmp_path: Path) -> None:
    folder = fill_folder(tmp_path, COLOURS, GALLERY / "imports_torch.py")
    program = (
        "import sys; from pathlib import Path; from server.plugins.manager import discover\n"
        "for record in discover(Path(sys.argv[1])).records():\n"
        "    print(record.name, record.version, record.ok, *record.warnings, sep='|')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder)],
        capture_output=True,
        text=True,
        check=True,
        cwd=TESTS.parent,
    )
    lines = {line.partition("|")[0]: line for line in done.stdout.splitlines()}
    assert lines["colours"] == "colours|1.2.3|True"
    assert lines["imports_torch"].startswith("imports_torch|9.8.7|True|It imports torch")
    assert "`load`" in lines["imports_torch"]
    assert "It imports torch" in done.stderr
