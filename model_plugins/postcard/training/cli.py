"""The command line of the training."""

import argparse
import logging
import tempfile
from pathlib import Path

import torch

from .trainer import Settings

WEIGHTS = Path(__file__).parent.parent / "weights"
WORK = Path(tempfile.gettempdir()) / "postcard"


def main(arguments: list[str] | None = None) -> None:
    """Runs one subcommand."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.threads)
    options.run(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m model_plugins.postcard.training",
        description="Trains the embedded model from nothing, in this order: "
        "text, vae, unet, export, judge, evaluate, sheet.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_training(commands, "text", "train the text encoders to read captions", 128, 2.0)
    _add_training(commands, "vae", "train the autoencoder's decoder", 64, 8.0)
    _add_training(commands, "unet", "train the denoiser and the text encoders", 32, 60.0)
    return parser


def _add_training(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    text: str,
    batch: int,
    minutes: float,
) -> None:
    command = _add(commands, name, text)
    command.add_argument("--batch", type=int, default=batch, help="scenes of a step")
    command.add_argument("--minutes", type=float, default=minutes, help="how long to train")
    command.add_argument("--rate", type=float, default=1e-3, help="learning rate")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--workers", type=int, default=0, help="processes that draw (0: none)")
    command.add_argument("--average", type=float, default=0.9995, help="decay of averaged weights")
    command.add_argument("--precision", choices=("bf16", "fp32"), default="bf16")
    if name == "unet":
        command.add_argument("--start", type=Path, help="exported weights to begin with")
    command.set_defaults(run=lambda options: _train(name, options))


def _add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, text: str
) -> argparse.ArgumentParser:
    command = commands.add_parser(
        name, help=text, description=text, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    command.add_argument("--work", type=Path, default=WORK, help="folder of checkpoints")
    command.add_argument("--device", default="cpu", help="cpu or cuda")
    command.add_argument("--threads", type=int, default=2, help="cores to compute with")
    return command


def _train(name: str, options: argparse.Namespace) -> None:
    from .train_text import train_text
    from .train_unet import train_unet
    from .train_vae import train_vae

    settings = Settings(
        **{field: getattr(options, field) for field in Settings.__dataclass_fields__}
    )
    if name == "unet":
        train_unet(settings, options.start)
    else:
        {"text": train_text, "vae": train_vae}[name](settings)
