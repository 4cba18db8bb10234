"""A tiny encoder and tiny task files, made anew for each test session."""

import pytest
import torch
from tiny_tasks import write_questions, write_reviews
from transformers import BertConfig, BertForPreTraining, BertTokenizer

CHARACTERS = "好坏店房书很真的是这里一二三四五六七八九十人山水火土金木在有了不来去上下大小年月日谁哪什么？。，"
PIECES = ["19", "##99", "20", "##19", "nba", "abc", "a", "b", "c", "##a", "##b", "##c", *"0123456789"]


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory):
    vocabulary = tmp_path_factory.mktemp("vocabulary") / "vocab.txt"
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *CHARACTERS, *PIECES]
    vocabulary.write_text("\n".join(dict.fromkeys(tokens)), encoding="utf-8")
    return BertTokenizer(vocab=str(vocabulary), model_max_length=64)


@pytest.fixture(scope="session")
def encoder(tokenizer, tmp_path_factory):
    """A folder with a pre-training model of random weights, as `cn-bert export` writes them."""
    folder = tmp_path_factory.mktemp("encoder")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    BertForPreTraining(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def reviews(tmp_path_factory):
    """A folder with train, dev and test reviews, named as ChnSentiCorp's."""
    folder = tmp_path_factory.mktemp("reviews")
    for seed, (split, count) in enumerate({"train": 320, "dev": 60, "test": 60}.items()):
        write_reviews(folder / f"{split}.tsv", count, seed)
    return folder


@pytest.fixture(scope="session")
def questions(tmp_path_factory):
    """A folder with train and dev questions, named as CMRC 2018's."""
    folder = tmp_path_factory.mktemp("questions")
    for seed, (split, count) in enumerate({"train": 240, "dev": 40}.items()):
        write_questions(folder / f"cmrc2018_{split}.json", count, seed)
    return folder
