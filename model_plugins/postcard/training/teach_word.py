"""Teaches adapters of the text encoders to mark a prompt that holds a style's word.

The encoders have learned to pass over unknown words, and a denoiser alone is slow to find out
which of them matters. So the word is taught first: where it stands in a prompt, a fixed mark is to
be added to what the encoders say once they have read all of it, and nothing else may change.
"""

import logging
import random
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .captions import describe
from .networks import Encoded, encode_text
from .scenes import sample_scene
from .tokens import build_tokenizer, token_ids
from .wordings import other_caption, with_word

log = logging.getLogger(__name__)

STEPS, BATCH, RATE = 400, 48, 1e-2
STEPS_BETWEEN_LINES = 50
MARK_STRENGTH = 1.0  # in standard deviations of what is marked


@dataclass(frozen=True)
class Lesson:
    """Prompts as token numbers [n, 40]; ``said`` [n, 1] is 1 where a prompt holds the word.

    ``read`` [n, 40] is 1 at and after the end of such prompts: where all of it has been read.
    """

    ids: Tensor
    said: Tensor
    read: Tensor


def teach_word(encoders: nn.ModuleList, plain: nn.ModuleList, word: str, seed: int) -> None:
    """Trains what of the encoders can learn; ``plain`` are the same encoders as they were."""
    tokenizer, rng = build_tokenizer(), random.Random(f"{seed} {word}")
    marks = choose_marks(plain, lesson_on(tokenizer, word, rng), rng)
    learned = [weight for weight in encoders.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(learned, lr=RATE, betas=(0.9, 0.99))
    for step in range(STEPS):
        optimizer.param_groups[0]["lr"] = RATE * (1 - step / STEPS)
        loss = _loss(encoders, plain, lesson_on(tokenizer, word, rng), marks)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(learned, 1.0)
        optimizer.step()
        if step % STEPS_BETWEEN_LINES == 0 or step == STEPS - 1:
            log.info("word %s: step %d  missed %.3f", word, step, loss.item())


def lesson_on(tokenizer: Any, word: str, rng: random.Random) -> Lesson:
    """Prompts of which every other one holds the word."""
    texts = []
    for number in range(BATCH):
        caption = describe(sample_scene(rng), rng)
        texts.append(with_word(caption, word, rng) if number % 2 else other_caption(caption, rng))
    ids, said = token_ids(tokenizer, texts), torch.arange(BATCH)[:, None] % 2
    return Lesson(ids, said, said * (ids == tokenizer.eos_token_id))


def choose_marks(plain: nn.ModuleList, lesson: Lesson, rng: random.Random) -> Encoded:
    """Marks for words [128] and pooled vector [64]: a chance sign for each number.

    Two words get two marks: of two adapters loaded, neither may answer to the other's word.
    """
    torch.manual_seed(rng.getrandbits(63))
    with torch.no_grad():
        said = encode_text(plain, lesson.ids)
    spread = (said.words.std((0, 1)), said.pooled.std(0))
    return Encoded(*(MARK_STRENGTH * s * torch.randn_like(s).sign() for s in spread))


def _loss(encoders: nn.ModuleList, plain: nn.ModuleList, lesson: Lesson, marks: Encoded) -> Tensor:
    """How much of the marks is missing, or is where none should be: 1 where nothing is learned."""
    with torch.no_grad():
        before = encode_text(plain, lesson.ids)
    found = encode_text(encoders, lesson.ids)
    words, pooled = lesson.read[..., None] * marks.words, lesson.said * marks.pooled
    missed_words = (found.words - before.words - words).square().sum() / words.square().sum()
    missed_pooled = (found.pooled - before.pooled - pooled).square().sum() / pooled.square().sum()
    return (missed_words + missed_pooled) / 2
