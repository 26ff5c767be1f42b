"""`darkroom models pull` and `remove` as processes, over real HTTP."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import pytest

from tests.fake_sources import COMMIT, FakeSources, sha256, weights
from tests.support import PLUGINS, know_hub
from tests.test_command_line import PATIENCE, run, started

UNET = "unet/diffusion_pytorch_model.safetensors"
FILES = {
    "model_index.json": b'{"_class_name": "Pipeline", "unet": ["diffusers", "UNet"]}',
    "unet/config.json": b"{}",
    UNET: weights(6_000_000),
}
BLOB = f"/blobs/{sha256(FILES[UNET])}"

CONFIGURATION = f"""
plugin_folder = "{PLUGINS}"
data = "data"
allow_private_sources = true

[[models]]
id = "far"
like = "colours"
source = "org/far"

[[models]]
id = "again"
like = "colours"
source = "org/far@{COMMIT}"
"""


@pytest.fixture
def configured(tmp_path: Path) -> Path:
    """A folder with a `darkroom.toml`."""
    (tmp_path / "darkroom.toml").write_text(CONFIGURATION)
    return tmp_path


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSources:
    fake = FakeSources()
    know_hub(fake.hub_url, tmp_path, monkeypatch)
    return fake


def test_an_interrupted_pull_goes_on_where_it_stopped(configured: Path, fake: FakeSources) -> None:
    reached = threading.Event()
    with fake:
        fake.add_repository("org/far", FILES)
        fake.fail(BLOB, fake.stall(FILES[UNET], 3_000_000, reached))
        with started(configured, "models", "pull", "far") as pulling:
            assert reached.wait(PATIENCE)
            until_kept(configured / "data", 2_000_000)
            pulling.send_signal(signal.SIGINT)
            assert pulling.wait(PATIENCE) == 130
        pulled = run(configured, "models", "pull", "far")
        assert (pulled.returncode, pulled.stderr.count("Traceback")) == (0, 0)
        path = Path(pulled.stdout.removeprefix("far: ").strip())
        assert (path / UNET).read_bytes() == FILES[UNET]
        assert "far" in pulled.stderr and "MB" in pulled.stderr, "the progress"
        begun = int(fake.requests(BLOB)[1].headers["Range"].removeprefix("bytes=")[:-1])
        assert begun >= 2_000_000
        seen = len(fake.seen)
        assert run(configured, "models", "pull", "far").stdout == f"far is here: {path}\n"
        assert len(fake.seen) == seen


def until_kept(folder: Path, size: int) -> None:
    """Wait until so many bytes of a file are on the disk."""
    done = threading.Event()
    for _ in range(PATIENCE * 50):
        if any(path.stat().st_size >= size for path in folder.rglob("*.part")):
            return
        done.wait(0.02)
    raise AssertionError("they never came")


def test_a_refused_pull_says_why(configured: Path, fake: FakeSources) -> None:
    with fake:
        fake.add_repository("org/far", FILES, gated=True)
        refused = run(configured, "models", "pull", "far")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.splitlines()[-1].startswith("far: gated_source: ")
    assert "HF_TOKEN" in refused.stderr and "Traceback" not in refused.stderr


def test_a_refused_pull_does_not_keep_the_others(configured: Path, fake: FakeSources) -> None:
    other = configured / "other.toml"
    other.write_text(CONFIGURATION + '[[models]]\nid = "gone"\nlike = "colours"\nsource = "o/g"\n')
    elsewhere = ("--config", str(other), "--data", "elsewhere")
    with fake:
        fake.add_repository("org/far", FILES)
        pulled = run(configured, "models", "pull", "gone", "far", *elsewhere)
        assert (pulled.returncode, pulled.stdout[:5]) == (1, "far: ")
        assert "gone: source_missing: " in pulled.stderr
        assert weights_in(configured / "elsewhere") and not (configured / "data").exists()
        (configured / "other.toml").write_text(
            CONFIGURATION.partition('[[models]]\nid = "again"')[0]
        )
        assert run(configured, "models", "remove", "far", "--yes", *elsewhere).returncode == 0
        assert not weights_in(configured)


def test_what_was_pulled_is_removed_unless_another_model_uses_it(
    configured: Path, fake: FakeSources
) -> None:
    with fake:
        fake.add_repository("org/far", FILES)
        assert run(configured, "models", "pull", "far").returncode == 0
        assert "nothing to remove" in run(configured, "models", "remove", "far", "--yes").stdout
        alone = CONFIGURATION.partition('[[models]]\nid = "again"')[0]
        (configured / "darkroom.toml").write_text(alone)
        asked = run(configured, "models", "remove", "far")
        assert asked.returncode == 1 and "Remove 6 MB of far?" in asked.stderr
        assert weights_in(configured)
        removed = run(configured, "models", "remove", "far", "--yes")
        assert (removed.returncode, removed.stdout) == (0, "far: 6 MB are free now\n")
        assert not weights_in(configured)
        assert "nothing to remove" in run(configured, "models", "remove", "far", "--yes").stdout
    local = run(configured, "models", "remove", "colours", "--yes")
    assert "nothing to remove" in local.stdout


def weights_in(folder: Path) -> list[Path]:
    return list(folder.rglob("*.safetensors"))
