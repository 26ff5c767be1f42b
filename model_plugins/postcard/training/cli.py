"""The command line of the training."""

import argparse
import logging
import sys
import tempfile
from dataclasses import fields
from pathlib import Path
from typing import TypeAlias

import torch

from .evaluate import evaluate, tables
from .evaluate_lora import evaluate_lora, load_style
from .examine import GROUPS, LOW_STRENGTH, read_asked
from .export import export, load_pipeline
from .export_lora import export_lora
from .judge_landscape import FILE, train_judge
from .painting import DEFAULT, Sampling
from .sheets import draw_sheets
from .styles import STYLES
from .train_lora import train_lora
from .train_text import train_text
from .train_unet import train_unet
from .train_vae import train_vae
from .trainer import Settings, TrainingError

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

WEIGHTS = Path(__file__).parent.parent / "weights"
LORAS = WEIGHTS.with_name("loras")
WORK = Path(tempfile.gettempdir()) / "postcard"

log = logging.getLogger(__name__)


def main(arguments: list[str] | None = None) -> None:
    """Runs one subcommand."""
    options = build_parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.threads)
    try:
        options.run(options)
    except TrainingError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("stopped; a training goes on from its last checkpoint, two minutes old at most")


def build_parser() -> argparse.ArgumentParser:
    """The subcommands and their options."""
    parser = argparse.ArgumentParser(
        prog="python -m model_plugins.postcard.training",
        description="Trains the embedded model from nothing. Run the commands in the order in "
        "which they are listed; each has its own --help. Every training resumes where it stopped.",
    )
    commands: Commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_training(commands, "text", "train the text encoders to read captions", 128, 8.0)
    _add_training(commands, "vae", "train the decoder of the autoencoder", 64, 12.0)
    _add_training(commands, "unet", "train the denoiser", 32, 60.0)
    _add_export(commands)
    _add_judge(commands)
    _add_evaluate(commands)
    _add_lora(commands)
    _add_lora_evaluate(commands)
    _add_sheet(commands)
    return parser


def _add(commands: Commands, name: str, text: str) -> argparse.ArgumentParser:
    command = commands.add_parser(
        name, help=text, description=text, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    command.add_argument("--threads", type=int, default=2, help="cores to compute with")
    return command


def _add_work(command: argparse.ArgumentParser) -> None:
    command.add_argument("--work", type=Path, default=WORK, help="folder of checkpoints")


def _add_training(
    commands: Commands, name: str, text: str, batch: int, minutes: float
) -> argparse.ArgumentParser:
    command = _add(commands, name, text)
    _add_work(command)
    command.add_argument("--device", default="cpu", help="cpu or cuda")
    command.add_argument("--batch", type=int, default=batch, help="scenes in a step")
    command.add_argument(
        "--processes", type=int, default=1, help="that train together, with --threads each"
    )
    command.add_argument("--minutes", type=float, default=minutes, help="how long to train")
    command.add_argument("--rate", type=float, default=1e-3, help="learning rate")
    command.add_argument("--seed", type=int, default=0, help="of weights, scenes and noise")
    command.add_argument("--workers", type=int, default=0, help="processes that draw (0: none)")
    command.add_argument("--average", type=float, default=0.9995, help="decay of the average")
    command.add_argument(
        "--precision", choices=("bf16", "fp32"), default="bf16", help="of the computation"
    )
    if name == "unet":
        command.add_argument("--start", type=Path, help="folder of exported weights to begin with")
        command.add_argument(
            "--learn-text", action="store_true", help="train the text encoders along"
        )
    command.set_defaults(run=_train, name=name)
    return command


def _settings(options: argparse.Namespace) -> Settings:
    return Settings(**{field.name: getattr(options, field.name) for field in fields(Settings)})


def _train(options: argparse.Namespace) -> None:
    settings = _settings(options)
    if options.name == "unet":
        train_unet(settings, options.start, options.learn_text)
    else:
        {"text": train_text, "vae": train_vae}[options.name](settings)


def _add_export(commands: Commands) -> None:
    command = _add(commands, "export", "write the averaged weights for the server, and check them")
    _add_work(command)
    command.add_argument("--weights", type=Path, default=WEIGHTS, help="folder to write")
    command.set_defaults(run=lambda options: export(options.work, options.weights))


def _add_judge(commands: Commands) -> None:
    command = _add(commands, "judge", "train the classifier that judges landscapes")
    command.add_argument("--weights", type=Path, default=WEIGHTS, help="folder of the model")
    command.add_argument("--steps", type=int, default=1000, help="training steps")
    command.add_argument("--judge", type=Path, default=FILE, help="file to write")
    command.set_defaults(run=_judge)


def _judge(options: argparse.Namespace) -> None:
    train_judge(load_pipeline(options.weights).vae, options.steps, options.judge)


def _add_evaluate(commands: Commands) -> None:
    command = _add(commands, "evaluate", "measure how well pictures follow their prompts")
    command.add_argument("--weights", type=Path, default=WEIGHTS, help="folder of the model")
    command.add_argument(
        "--steps", type=int, nargs="+", default=[DEFAULT.steps], help="sampling steps, one or more"
    )
    command.add_argument("--cfg", type=float, default=DEFAULT.cfg, help="guidance scale")
    command.add_argument("--seeds", type=int, default=4, help="how many of the fixed seeds")
    command.add_argument(
        "--only", nargs="+", choices=tuple(GROUPS), default=list(GROUPS), help="what to ask"
    )
    command.add_argument(
        "--processes",
        type=int,
        default=1,
        help="that share the prompts; several have a thread each",
    )
    _add_report(command)
    command.set_defaults(run=_evaluate)


def _evaluate(options: argparse.Namespace) -> None:
    if "repaintings" in options.only and int(min(options.steps) * LOW_STRENGTH) == 0:
        raise TrainingError(f"image to image at strength {LOW_STRENGTH} needs more --steps")
    asked = read_asked()
    asked = {"seeds": asked["seeds"][: options.seeds], **{k: asked[k] for k in options.only}}
    samplings = tuple(Sampling(steps, options.cfg) for steps in options.steps)
    _report(options, tables(evaluate(options.weights, samplings, asked, options.processes)))


def _add_report(command: argparse.ArgumentParser) -> None:
    command.add_argument("--report", type=Path, help="Markdown file to write the tables to")


def _report(options: argparse.Namespace, text: str) -> None:
    log.info("\n%s", text)
    if options.report is not None:
        options.report.parent.mkdir(parents=True, exist_ok=True)
        options.report.write_text(text + "\n")


def _add_lora(commands: Commands) -> None:
    text = (
        "train an adapter that paints in a style (first a minute for its word), and write its file"
    )
    command = _add_training(commands, "lora", text, 16, 24.0)
    _add_style(command)
    command.add_argument("--rank", type=int, default=8, help="of the adapter")
    command.set_defaults(run=_lora, threads=1, rate=3e-3, average=0.99)


def _add_style(command: argparse.ArgumentParser) -> None:
    command.add_argument("style", choices=tuple(STYLES), help="and the word for it")
    command.add_argument("--weights", type=Path, default=WEIGHTS, help="folder of the model")
    command.add_argument("--loras", type=Path, default=LORAS, help="folder of the adapters")


def _lora(options: argparse.Namespace) -> None:
    settings, model = _settings(options), (options.weights, options.rank)
    train_lora(settings, options.style, *model)
    export_lora(settings, options.style, *model, options.loras)


def _add_lora_evaluate(commands: Commands) -> None:
    command = _add(commands, "lora-evaluate", "measure what an adapter does")
    _add_style(command)
    command.add_argument("--steps", type=int, default=DEFAULT.steps, help="sampling steps")
    command.add_argument("--cfg", type=float, default=DEFAULT.cfg, help="guidance scale")
    _add_report(command)
    command.set_defaults(run=_lora_evaluate)


def _lora_evaluate(options: argparse.Namespace) -> None:
    pipeline, asked = load_pipeline(options.weights), read_asked()
    load_style(pipeline, options.loras, options.style)
    wanted, seed = [*asked["flat"], *asked["landscapes"]], asked["seeds"][0]
    sampling = Sampling(options.steps, options.cfg)
    report = evaluate_lora(pipeline, options.style, wanted, seed=seed, sampling=sampling)
    _report(options, report.table())


def _add_sheet(commands: Commands) -> None:
    command = _add(commands, "sheets", "paint the contact sheets of the documentation")
    command.add_argument("--weights", type=Path, default=WEIGHTS, help="folder of the model")
    command.add_argument("--loras", type=Path, default=LORAS, help="folder of the adapters")
    command.add_argument("--pictures", type=Path, default=Path(), help="folder to write to")
    command.set_defaults(
        run=lambda options: draw_sheets(
            load_pipeline(options.weights), options.pictures, options.loras
        )
    )
