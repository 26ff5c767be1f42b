"""Settings: where they come from, which source wins, and where the folders lie."""

from __future__ import annotations

from pathlib import Path

import platformdirs
import pytest
from pydantic import ValidationError

from server import folders
from server.config import Settings, load_settings
from server.errors import ConfigurationError
from server.folders import Folders, checkout
from server.settings_faults import PREFIX


@pytest.fixture(autouse=True)
def nothing_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without a configuration file, and no variable of the developer's."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"{PREFIX}{name}".upper(), raising=False)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_without_any_source_the_defaults_hold() -> None:
    settings = load_settings()
    assert (settings.host, settings.port, settings.on_start) == ("127.0.0.1", 8000, "run")


def test_the_command_line_beats_the_environment_which_beats_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "darkroom.toml", 'port = 1\nmax_queued = 2\ndevice = "cpu"\n')
    monkeypatch.setenv("DARKROOM_PORT", "3")
    monkeypatch.setenv("DARKROOM_MAX_QUEUED", "4")
    settings = load_settings(port=5)
    assert (settings.port, settings.max_queued, settings.device) == (5, 4, "cpu")


def test_an_option_that_was_not_given_hides_nothing(tmp_path: Path) -> None:
    write(tmp_path / "darkroom.toml", "port = 9000\n")
    assert load_settings(port=None).port == 9000


def test_a_named_file_is_read_instead_of_the_folders_own(tmp_path: Path) -> None:
    write(tmp_path / "darkroom.toml", "port = 1\n")
    assert load_settings(write(tmp_path / "etc" / "other.toml", "port = 2\n")).port == 2


def test_paths_in_a_file_are_relative_to_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "etc" / "d.toml", 'data = "pictures"\nplugin_folder = "../mine"\n')
    monkeypatch.chdir("/")
    settings = load_settings(path)
    assert settings.data == tmp_path / "etc" / "pictures"
    assert settings.plugin_folder is not None
    assert settings.plugin_folder.resolve() == tmp_path / "mine"


def test_an_absolute_path_in_a_file_stays(tmp_path: Path) -> None:
    path = write(tmp_path / "etc" / "d.toml", f'data = "{tmp_path.as_posix()}/elsewhere"\n')
    assert load_settings(path).data == tmp_path / "elsewhere"


def test_a_misspelt_setting_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    path = write(tmp_path / "d.toml", "max_queue = 3\n")
    with pytest.raises(ConfigurationError, match=r"max_queue: .*did you mean `max_queued`\?"):
        load_settings(path)


@pytest.mark.parametrize(
    "text", ["port = 70000", 'on_start = "later"', "max_queued = 0", 'device = "gpu"']
)
def test_a_value_out_of_range_is_refused_by_name(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError, match=text.split(" ", maxsplit=1)[0] + r".*d\.toml"):
        load_settings(write(tmp_path / "d.toml", text))


def test_a_variable_with_a_bad_value_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKROOM_PORT", "eighty")
    with pytest.raises(ConfigurationError, match=r"port: .*\(from DARKROOM_PORT\)"):
        load_settings()


def test_an_option_with_a_bad_value_is_said_to_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKROOM_PORT", "8001")
    with pytest.raises(ConfigurationError, match=r"port: .*\(from the command line\)"):
        load_settings(port=-1)


@pytest.mark.parametrize("content", [b"port = ", b"\xff\xfe"])
def test_what_is_not_toml_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "d.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"d\.toml is not valid TOML"):
        load_settings(path)


def test_a_named_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.toml cannot be read"):
        load_settings(tmp_path / "absent.toml")


def test_settings_do_not_change() -> None:
    settings = load_settings()
    with pytest.raises(ValidationError):
        settings.port = 1  # type: ignore[misc]


def test_one_load_leaves_nothing_for_the_next(tmp_path: Path) -> None:
    load_settings(write(tmp_path / "d.toml", "port = 1\n"))
    assert load_settings().port == 8000


def test_every_setting_is_described() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_with_a_data_folder_everything_lies_below_it(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    folders = load_settings(data=mine).folders
    assert folders == Folders(
        database=mine / "darkroom.db",
        images=mine / "images",
        inputs=mine / "inputs",
        thumbs=mine / "thumbs",
        loras=mine / "loras",
        models=mine / "models",
    )
    below = [mine / name for name in ("images", "inputs", "thumbs", "loras", "models")]
    assert folders.all == (mine, *below)


def test_downloaded_models_may_lie_elsewhere(tmp_path: Path) -> None:
    folders = load_settings(data=tmp_path / "mine", model_folder=tmp_path / "large").folders
    assert folders.models == tmp_path / "large"
    assert folders.loras == tmp_path / "mine" / "loras"


def test_a_relative_data_folder_is_relative_to_the_current_one(tmp_path: Path) -> None:
    assert Folders.of(Path("mine")).database == tmp_path / "mine" / "darkroom.db"


def test_in_a_checkout_the_folders_are_its_own() -> None:
    root = Path(folders.__file__).parent.parent
    assert checkout() == root
    assert Folders.of(None) == Folders(
        database=root / "data" / "darkroom.db",
        images=root / "data" / "images",
        inputs=root / "data" / "inputs",
        thumbs=root / "thumbs",
        loras=root / "loras",
        models=root / "models",
    )


def test_installed_elsewhere_they_lie_in_the_users_data_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(
        folders, "__file__", str(tmp_path / "site-packages" / "server" / "folders.py")
    )
    assert checkout() is None
    home = Path(platformdirs.user_data_dir("darkroom", appauthor=False))
    assert Folders.of(None).images == home / "images"


def test_a_list_that_is_no_json_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKROOM_ALLOWED_HOSTS", "images.example.org")
    with pytest.raises(ConfigurationError, match=r"allowed_hosts.*JSON"):
        load_settings()


@pytest.mark.parametrize(
    "text",
    ['data = "~nosuchuser/x"', '[[models]]\nid = "a"\nfamily = "f"\nsource = "~nosuchuser/x"'],
)
def test_the_home_of_nobody_is_told(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"~nosuchuser/x: .*no such user"):
        load_settings(write(tmp_path / "d.toml", text))


def test_a_source_may_be_longer_than_a_files_name(tmp_path: Path) -> None:
    text = f'[[models]]\nid = "a"\nfamily = "f"\nsource = "{"x" * 300}"'
    (entry,) = load_settings(write(tmp_path / "d.toml", text)).models
    assert entry.source == "x" * 300


QUANTIZED = '[[models]]\nid = "a"\nfamily = "f"\nsource = "o/r"\nquantization = "nf4"\n'
FILE = '[[models]]\nid = "a"\nfamily = "f"\nsource = "/a.gguf"\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f'device = "cpu"\n{QUANTIZED}', "`nf4` does not go with device `cpu`"),
        (f'offload = "sequential"\n{QUANTIZED}', "`nf4` does not go with offload `sequential`"),
        (f'{QUANTIZED}offload = "sequential"', "`nf4` does not go with offload `sequential`"),
        (f'offload = "sequential"\n{FILE}', "`gguf` does not go with offload `sequential`"),
        (f'device = "mps"\n{QUANTIZED.replace("nf4", "fp8")}', "`fp8` does not go with device"),
        (f'{FILE}quantization = "int8"', "quantized already"),
    ],
)
def test_a_model_that_cannot_be_held_so_is_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"\[\[models\]\] a: .*{says}"):
        load_settings(write(tmp_path / "d.toml", text))


@pytest.mark.parametrize(
    "text",
    [f'device = "cuda"\n{QUANTIZED}', f'offload = "sequential"\n{QUANTIZED}offload = "none"'],
)
def test_what_can_be_held_so_is_not(tmp_path: Path, text: str) -> None:
    assert len(load_settings(write(tmp_path / "d.toml", text)).models) == 1


def refused(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(write(tmp_path / "d.toml", text))
    return caught.value.message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[[models]]\nid = "a"\nofload = "none"\n', "[[models]] a: ofload: there is no"),
        ('[[models]]\nid = "a"\nofload = "none"\n', "did you mean `offload`?"),
        ('[[models]]\nlike = "b"\n', "[[models]] number 1: id: "),
        ('[models]\nid = "a"\n', "write `[[models]]`"),
        ("models = 3\n", "models: "),
        ('[[models]]\nid = "a"\n[[models]]\nid = "a"\n', "another entry has this id"),
        (
            '[[models]]\nid = "a"\nlike = "b"\n[[models]]\nid = "b"\nfamily = "f"\n',
            "[[models]] a: `like`: the entry `b` must come before",
        ),
    ],
)
def test_a_mistake_in_an_entry_is_told_by_its_id(tmp_path: Path, text: str, says: str) -> None:
    assert says in refused(tmp_path, text)


def test_entries_of_the_environment_are_told_by_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("darkroom_models", '[{"id": "x", "sauce": "y"}]')
    assert "[[models]] number 1: sauce" in refused(tmp_path, '[[models]]\nid = "a"\n')


@pytest.mark.parametrize("name", ["x.gguf", "checkpoints/x.safetensors", "checkpoints/x.ckpt"])
def test_a_file_that_is_not_there_yet_lies_beside_the_configuration(
    tmp_path: Path, name: str
) -> None:
    text = f'[[models]]\nid = "a"\nfamily = "f"\nsource = "{name}"\n'
    (entry,) = load_settings(write(tmp_path / "d.toml", text)).models
    assert entry.source == str(tmp_path / name)


def test_folders_are_shown_without_detours(tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    text = 'data = "../data"\nmodel_folder = "../models"\n'
    folders = load_settings(write(tmp_path / "c" / "d.toml", text)).folders
    assert (folders.images, folders.models) == (tmp_path / "data/images", tmp_path / "models")
    assert load_settings(data=tmp_path / "c" / ".." / "d").folders.images == tmp_path / "d/images"
