"""The tokenizer: a byte-level BPE whose merges spell the words of the captions."""

import json
import random
import string
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from torch import Tensor
from transformers import CLIPTokenizer

from .captions import describe
from .scenes import sample_scene
from .words import COLOURS, EXTRAS, PLACES, SHAPES, SIZES, TERRAINS, TIMES

LENGTH = 40  # tokens of a prompt, start and end among them
START, END = "<|startoftext|>", "<|endoftext|>"
CORPUS_SCENES = 12_000
MERGES = Path(__file__).with_name("merges.txt")
LEAST_COUNT = 40  # of a word; chance letters stay below


def build_tokenizer() -> Any:
    """The tokenizer; every call builds the same one, from the merges on disk."""
    lines = MERGES.read_text(encoding="utf-8").splitlines()
    merges = [(left, right) for left, right in (line.split(" ") for line in lines)]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = [*letters, *(f"{letter}</w>" for letter in letters), *("".join(m) for m in merges)]
    vocab = {piece: number for number, piece in enumerate([*dict.fromkeys(pieces), START, END])}
    return CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=LENGTH)


def learn_merges() -> None:
    """Finds merges for the words of today's captions: token numbers change, and with them all."""
    model = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    trainer = trainers.BpeTrainer(
        vocab_size=4000, min_frequency=LEAST_COUNT, end_of_word_suffix="</w>", show_progress=False
    )
    model.train_from_iterator(_corpus(), trainer)
    merges = json.loads(model.to_str())["model"]["merges"]
    lines = [f"{left} {right}\n" for left, right in merges]
    MERGES.write_text("".join(lines), encoding="utf-8")


def _corpus() -> list[str]:
    """Words one by one, the model's own vocabulary more often than any other."""
    rng = random.Random(0)
    captions = [describe(sample_scene(rng), rng) for _ in range(CORPUS_SCENES)]
    spoken = [word.strip(string.punctuation) for text in captions for word in text.split()]
    own = " ".join([*COLOURS, *SHAPES, *SIZES, *PLACES, *TERRAINS, *TIMES, *EXTRAS]).split()
    return spoken + own * LEAST_COUNT


def token_ids(tokenizer: Any, texts: list[str]) -> Tensor:
    """Token numbers [n, 40], as the pipeline makes them."""
    batch = tokenizer(
        texts, padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt"
    )
    ids: Tensor = batch.input_ids
    return ids
