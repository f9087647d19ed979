"""The tokenizer: every word of the captions is one token, and any other falls into pieces that mean nothing."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from torch import Tensor
from transformers import CLIPTokenizer

from .vocabulary import (
    BESIDE,
    FILLERS,
    LETTERS,
    LITTLE_WORDS,
    NEGATIVES,
    OBJECT_NOUNS,
    OPENINGS,
    PARTS,
    PLACE_NOUNS,
    SENTENCES,
    TRAPS,
    WORDS_OF_LOOKS,
)

MAX_TOKENS = 77
START, END, UNKNOWN = "<|startoftext|>", "<|endoftext|>", "<|unknown|>"
PLACING = {"near", "beside", "behind", "with"}  # they tell whose look it is


def known_words() -> set[str]:
    """The words with a meaning of their own."""
    return WORDS_OF_LOOKS | set(PARTS) | PLACING


def build_tokenizer() -> CLIPTokenizer:
    """A CLIP tokenizer in which every word of the captions is one token and any other falls into pieces."""
    sentences = [sentence.replace("{thing}", "") for sentence in SENTENCES]
    lists = (OBJECT_NOUNS, PLACE_NOUNS, OPENINGS, FILLERS, NEGATIVES, LITTLE_WORDS, sentences, BESIDE)
    spoken = {word.strip("{}?,.") for group in lists for phrase in group for word in phrase.split()} - {""}
    words = known_words() | spoken | set(TRAPS.split())
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>", unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.BpeTrainer(
        vocab_size=20000,
        min_frequency=1,
        end_of_word_suffix="</w>",
        initial_alphabet=list(f"{LETTERS}0123456789.,!?:-"),
        special_tokens=[START, END, UNKNOWN],
        show_progress=False,
    )
    # Each end of word needs its own letter token; single letters as words give them.
    tokenizer.train_from_iterator([*sorted(words), *f"{LETTERS}0123456789.,!?:-"], trainer)
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.model.save(folder)
        merges = (Path(folder) / "merges.txt").read_text().splitlines()[1:]
    return CLIPTokenizer(
        vocab=tokenizer.get_vocab(),
        merges=[tuple(line.split(" ")) for line in merges],
        unk_token=UNKNOWN,
        bos_token=START,
        eos_token=END,
        pad_token=END,
        model_max_length=MAX_TOKENS,
    )


def unknown_tokens(tokenizer: CLIPTokenizer) -> list[int]:
    """The ids that mean nothing: they all share the embedding of the unknown token."""
    meaningful = {f"{word}</w>" for word in known_words()} | {START, END}
    return [index for token, index in tokenizer.get_vocab().items() if token not in meaningful]


def tokenize(tokenizer: CLIPTokenizer, captions: list[str]) -> Tensor:
    """Captions to ids [n, 77], as the Stable Diffusion pipelines make them."""
    return tokenizer(
        captions, padding="max_length", max_length=MAX_TOKENS, truncation=True, return_tensors="pt"
    ).input_ids


class TokenIds:
    """Captions -> ids [n, 77], where every word without a meaning of its own is the unknown word."""

    def __init__(self, tokenizer: CLIPTokenizer) -> None:
        self.tokenizer = tokenizer
        self.canonical = torch.arange(len(tokenizer))
        self.canonical[unknown_tokens(tokenizer)] = tokenizer.unk_token_id

    def __call__(self, captions: list[str]) -> Tensor:
        """Ids of the captions."""
        return self.canonical[tokenize(self.tokenizer, captions)]
