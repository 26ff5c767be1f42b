"""Every command of the training, each for a step: what its README tells a stranger to run."""

import pickle
import random
import shlex
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from model_plugins.postcard.training import judge_landscape, teach_word
from model_plugins.postcard.training.cli import WEIGHTS, build_parser, main
from model_plugins.postcard.training.evaluate_lora import Way, load_style, paint_styled
from model_plugins.postcard.training.export import load_pipeline
from model_plugins.postcard.training.judge_landscape import Judge, load_judge
from model_plugins.postcard.training.networks import build_text_encoders
from model_plugins.postcard.training.painting import Painter, Sampling
from model_plugins.postcard.training.styles import STYLES
from model_plugins.postcard.training.tokens import build_tokenizer
from tests.docs.pages import blocks

# torch's tensors do not know numpy 2's `copy` argument yet, and diffusers converts them.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")

README = WEIGHTS.with_name("training") / "README.md"
A_STEP = ("--threads", "1", "--minutes", "0.0001", "--batch", "2")


def test_the_commands_of_the_readme_are_there_as_printed() -> None:
    echo = 'python() { [ "$1" = -m ] && shift 2; echo "$@"; }\n'
    script = echo + "\n".join(blocks(README, "sh"))
    shown = subprocess.run(["bash", "-euc", script], check=True, capture_output=True, text=True)
    lines = shown.stdout.splitlines()
    assert len(lines) > 15
    for line in lines:
        options = build_parser().parse_args(shlex.split(line))
        report = getattr(options, "report", None)
        assert report is None or report.parent == Path("model_plugins/postcard/training/reports")


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    monkeypatch.setattr(teach_word, "STEPS", 2)


def test_the_trainings_one_after_the_other_make_a_model_that_loads(tmp_path: Path) -> None:
    work, weights = tmp_path / "work", tmp_path / "weights"
    for command in ("text", "vae", "unet"):
        main([command, "--work", str(work), *A_STEP])
    main(["export", "--work", str(work), "--weights", str(weights)])
    painter = Painter(load_pipeline(weights), Sampling(steps=1))
    assert painter.paint("a red star", seed=1).shape == (128, 128, 3)


def test_a_training_goes_on_where_it_stopped(tmp_path: Path) -> None:
    steps = []
    some_steps = (*A_STEP, "--minutes", "0.005")  # also where processors are busy
    for _ in range(2):
        main(["unet", "--work", str(tmp_path), "--start", str(WEIGHTS), *some_steps])
        steps.append(torch.load(tmp_path / "unet.pt", weights_only=True)["progress"][0])
    assert 0 < steps[0] < steps[1]


@pytest.mark.parametrize(("command", "missing"), [("unet", "text"), ("export", "unet")])
def test_what_must_be_trained_first_is_said(tmp_path: Path, command: str, missing: str) -> None:
    options = A_STEP if command == "unet" else ("--weights", str(tmp_path / "weights"))
    with pytest.raises(SystemExit, match=f"train `{missing}` first"):
        main([command, "--work", str(tmp_path), *options])
    assert not (tmp_path / "weights").exists()


def test_too_few_steps_for_image_to_image_are_refused_at_once() -> None:
    with pytest.raises(SystemExit, match="needs more --steps"):
        main(["evaluate", "--steps", "3"])


def train_neon(work: Path, loras: Path, weights: Path = WEIGHTS) -> None:
    folders = ("--work", str(work), "--loras", str(loras), "--weights", str(weights))
    main(["lora", "neon", *folders, *A_STEP, "--rank", "2"])


def test_a_lora_is_trained_and_written(tmp_path: Path) -> None:
    loras = tmp_path / "loras"
    loras.mkdir()
    train_neon(tmp_path, loras)
    with safe_open(loras / "neon.safetensors", "pt") as file:
        assert file.metadata()["modelspec.trigger_phrase"] == "neon"
        assert file.metadata()["ss_network_dim"] == "2"
    pipeline = load_pipeline(WEIGHTS)
    load_style(pipeline, loras, "neon")
    asked = (["a red star"], Way(1.0, True))
    (picture,) = paint_styled(pipeline, "neon", *asked, seed=1, sampling=Sampling(steps=1))
    assert np.ptp(picture) > 0


def test_a_lora_is_not_continued_on_other_weights(tmp_path: Path) -> None:
    loras, other = tmp_path / "loras", tmp_path / "other"
    loras.mkdir()
    pipeline = load_pipeline(WEIGHTS)
    pipeline.unet.conv_out.bias += 0.01
    pipeline.save_pretrained(other)
    train_neon(tmp_path, loras)
    with pytest.raises(SystemExit, match="belongs to other weights"):
        train_neon(tmp_path, loras, other)


def test_each_style_marks_its_word_in_a_way_of_its_own() -> None:
    tokenizer, marks = build_tokenizer(), []
    plain = build_text_encoders(tokenizer)
    for style in STYLES:
        rng = random.Random(f"0 {style}")
        lesson = teach_word.lesson_on(tokenizer, style, rng)
        marks.append(teach_word.choose_marks(plain, lesson, rng).words)
    assert abs(float(torch.nn.functional.cosine_similarity(*marks, dim=0))) < 0.4


def test_several_processes_can_be_told_of_a_style() -> None:
    assert pickle.loads(pickle.dumps(STYLES["neon"])) == STYLES["neon"]


def test_a_judge_is_trained_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge_landscape, "POOL", 20)
    path = tmp_path / "judge.safetensors"
    main(["judge", "--threads", "1", "--steps", "1", "--judge", str(path)])
    assert isinstance(load_judge(path), Judge)
