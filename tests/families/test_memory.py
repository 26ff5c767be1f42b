"""When memory runs out in a real worker, and while it serves for long."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from random import Random
from statistics import linear_regression
from typing import Any

import psutil
import pytest
from PIL import Image, ImageChops

from server.snapshots import ImageReady, ModelState, RunTask, TaskFinished
from tests.families.jobs import made
from tests.servers import ServerProcess
from tests.support import TESTS, weights_at
from tests.unit.worker.processes import JOB, worker

SMALL = {"width": 64, "height": 64, "steps": 2, "cfg_scale": 1, "seed": 5}


@pytest.fixture(scope="module")
def server(
    tiny: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("memory")
    config = folder / "darkroom.toml"
    # In float16 diffusers casts the autoencoder to float32 while it decodes.
    entries = (
        f'[[models]]\nid = "{name}"\nsource = "{tiny("sdxl-base")}"\ndtype = "float16"\n'
        for name in ("tight", "sdxl-base")
    )
    plugins = f'plugin_folder = "{TESTS / "plugins_tight"}"\n'
    config.write_text(plugins + "\n".join(entries), encoding="utf-8")
    with ServerProcess(folder / "data", "--no-preload", "--config", str(config)) as process:
        yield process


@pytest.fixture(autouse=True)
def fresh(request: pytest.FixtureRequest) -> None:
    """The server's model forgets that memory ran out before: it runs more savingly since."""
    if "server" in request.fixturenames:
        process: ServerProcess = request.getfixturevalue("server")
        assert process.client.post("/api/models/tight/unload").status_code == 202


def run(server: ServerProcess, words: dict[str, Any]) -> dict[str, Any]:
    answer = server.client.post("/api/generate", json={**SMALL, **words})
    assert answer.status_code == 202, answer.text
    return server.wait(answer.json()["job_id"])


def test_a_job_that_ran_out_of_memory_once_is_tried_again_and_makes_what_was_missing(
    server: ServerProcess,
) -> None:
    words = {**SMALL, "prompt": "it bursts at 3", "num_images": 2}
    shown = run(server, {**words, "model": "tight"})
    assert shown["status"] == "completed", shown["error"]
    assert len(shown["images"]) == 2
    # The first image had two steps before the third call, and was not made again.
    theirs = made(server, {**words, "model": "sdxl-base"})
    for image, plain in zip(shown["images"], theirs, strict=True):
        content = server.client.get(image["url"]).content
        ours = Image.open(BytesIO(content), formats=("PNG",))
        assert ImageChops.difference(ours, plain).getbbox() is None


@pytest.mark.parametrize("begins", ["with noise", "with an image"])
def test_memory_that_runs_out_in_decoding_spoils_nothing(
    server: ServerProcess, begins: str
) -> None:
    words: dict[str, Any] = dict(SMALL)
    if begins == "with an image":
        first = run(server, {"model": "sdxl-base", "prompt": "a hill"})["images"][0]
        words |= {"init_image": first["filename"], "strength": 0.5}
    for prompt in ("it bursts in decoding", "it does not burst"):
        shown = run(server, {**words, "model": "tight", "prompt": prompt})
        assert shown["status"] == "completed", shown["error"]
        (plain,) = made(server, {**words, "model": "sdxl-base", "prompt": prompt})
        content = server.client.get(shown["images"][0]["url"]).content
        ours = Image.open(BytesIO(content), formats=("PNG",))
        assert ImageChops.difference(ours, plain).getbbox() is None, prompt


def test_a_job_that_runs_out_of_memory_twice_fails_with_an_estimate_and_the_next_one_runs(
    server: ServerProcess,
) -> None:
    shown = run(server, {"model": "tight", "prompt": "it bursts at 1 and 2"})
    assert shown["status"] == "failed"
    assert shown["error"]["code"] == "out_of_memory"
    message = shown["error"]["message"]
    assert "tight needs about" in message
    assert "64 × 64 pixels with offload `none`; cpu has" in message
    assert "Ask for a smaller image" in message
    after = run(server, {"model": "tight", "prompt": "it does not burst"})
    assert after["status"] == "completed", after["error"]
    assert len(server.workers()) == 1, "it is the same worker"


#: Few, so that each occurs while memory settles: what is compiled for a size is kept.
SIZES = (64, 96, 128, 192)

#: Switches until allocators have what they keep.
SETTLING = 50


class Switching:
    """A worker that has room for one model, asked for another with each task."""

    def __init__(self, tiny: Callable[[str], Path]) -> None:
        self._tiny = tiny
        self._random = Random(1)
        self.resident_bytes: list[int] = []
        self.open_files: list[int] = []

    def switch(self, times: int) -> None:
        models = {"sdxl-base": "sdxl", "flux-dev": "flux", "z-image-turbo": "z_image"}
        with worker(model_memory=1, preview_interval=-1) as process:
            observed = psutil.Process(process.process.pid)
            for number in range(times):
                model = list(models)[number % len(models)]
                size = self._random.choice(SIZES), self._random.choice(SIZES)
                messages = process.run(self._task(model, models[model], size))
                assert isinstance(messages[-1], TaskFinished), messages[-1]
                (image,) = (message for message in messages if isinstance(message, ImageReady))
                assert (image.width, image.height) == size
                states = [(m.model, m.state) for m in messages if isinstance(m, ModelState)]
                assert (model, "loaded") in states, "it was loaded anew"
                self.resident_bytes.append(observed.memory_info().rss)
                self.open_files.append(observed.num_fds())

    def _task(self, model: str, family: str, size: tuple[int, int]) -> RunTask:
        params = {"prompt": "a cat", "width": size[0], "height": size[1], "steps": 1, "seed": 1}
        wire = {"job_id": JOB, "model": model, "family": family, "indices": [0], "params": params}
        return RunTask(wire, 1, weights_at(self._tiny(model)))


def test_switching_between_models_leaves_no_file_open(tiny: Callable[[str], Path]) -> None:
    switching = Switching(tiny)
    switching.switch(9)
    assert len(set(switching.open_files[6:])) == 1


@pytest.mark.soak
def test_two_hundred_switches_between_models_leave_nothing_behind(
    tiny: Callable[[str], Path],
) -> None:
    switching = Switching(tiny)
    switching.switch(200)
    settled = switching.resident_bytes[SETTLING:]
    slope = linear_regression(range(len(settled)), settled).slope
    growth = slope * len(settled) / settled[0]
    print(f"resident memory changed by {growth:.2%} of {settled[0] / 2**20:.0f} MiB")
    assert abs(growth) < 0.03, f"{growth:.1%} in {len(settled)} switches"
    assert len(set(switching.open_files[SETTLING:])) == 1, "no file stays open"
