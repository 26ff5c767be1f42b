"""First training: the text encoders learn to tell a scene's attributes from its caption."""

import logging

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from .networks import TEXT_WIDTH, build_text_encoders, encode_text
from .scenes import LABEL_CLASSES
from .stream import Batch, Batches
from .tokens import build_tokenizer
from .trainer import Plan, Settings, Trainer, train

log = logging.getLogger(__name__)

NAME = "text"


class Reader(nn.Module):
    """The encoders, with one linear judgement of every attribute at once on top."""

    def __init__(self, encoders: nn.ModuleList) -> None:
        super().__init__()
        self.encoders = encoders
        self.heads = nn.Linear(3 * TEXT_WIDTH, sum(LABEL_CLASSES))

    def forward(self, ids: Tensor) -> tuple[Tensor, ...]:
        """Scores [n, classes] per slot, from token numbers [n, 40]."""
        encoded = encode_text(self.encoders, ids)
        scores: Tensor = self.heads(torch.cat([encoded.words.mean(1), encoded.pooled], dim=-1))
        return torch.split(scores, list(LABEL_CLASSES), dim=-1)


def train_text(settings: Settings) -> None:
    """Trains for the given minutes and logs how many attributes are read right."""
    train(Plan(NAME, build_reader, _learn, settings))


def build_reader() -> Reader:
    """An untrained reader."""
    return Reader(build_text_encoders(build_tokenizer()))


def _learn(trainer: Trainer) -> None:
    settings = trainer.settings
    batches = Batches(
        *(build_tokenizer(), settings.batch, settings.seed), several_sizes=False, pictures=False
    )

    def loss_of(batch: Batch) -> Tensor:
        with settings.autocast():
            scores = trainer.network(batch.ids)
        return _loss(scores, batch.labels)

    trainer.fit(batches, loss_of)
    if trainer.leads:
        log.info("attributes read right: %.1f %%", 100 * _accuracy(trainer, batches))


def _loss(scores: tuple[Tensor, ...], labels: Tensor) -> Tensor:
    slots = zip(scores, labels.unbind(1), strict=True)
    return torch.stack([cross_entropy(score.float(), label) for score, label in slots]).sum()


@torch.no_grad()
def _accuracy(trainer: Trainer, batches: Batches) -> float:
    """Share of attributes that are present, in captions not trained on, and read right."""
    unseen = batches[2**30]
    scores = trainer.average(unseen.ids.to(next(trainer.average.parameters()).device))
    found = torch.stack([score.argmax(-1) for score in scores], dim=1).cpu()
    counted = (unseen.labels > 0) & (unseen.ids[:, 1:2] != unseen.ids[:, -1:])
    return float((found == unseen.labels)[counted].float().mean())
