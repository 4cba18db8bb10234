"""The collator: the tokenizer's ids, jieba's words whole or not at all, 80/10/10, and draws that a seed repeats."""

from __future__ import annotations

import pickle
from itertools import accumulate, pairwise

import jieba
import pytest
import torch
from datasets import load_dataset, load_from_disk
from tokenizers import models
from torch.utils.data import DataLoader
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    BertTokenizer,
    DataCollatorForLanguageModeling,
    PreTrainedTokenizerFast,
    Trainer,
    TrainingArguments,
)
from transformers.models.bert.tokenization_bert_legacy import BertTokenizerLegacy

from cn_bert.collator import WholeWordCollator
from corpus_tools.build import build
from corpus_tools.build_settings import BuildSettings
from corpus_tools.encode.train import train_vocabulary
from corpus_tools.encode.vocabulary import Vocabulary
from corpus_tools.errors import DataError, MissingInputError, SettingsError
from corpus_tools.export import build_form
from corpus_tools.export.run import export
from corpus_tools.masking.masker import IGNORED
from corpus_tools.shards.read import open_shards

TEXTS = [
    "春天来了，小河边的柳树发出新芽，孩子们在草地上放风筝。",
    "图书馆每天早上九点开门，周末也不休息。",
    "他花了三年时间学习木工，现在会做桌子、椅子和书架。",
    "上海博物馆的青铜器展览吸引了许多外国游客。",
    "昨天晚上下了一场大雨，山路被石头挡住，公共汽车只好绕道。",
    "她用Python写了一个小程序，每小时记录一次气温。",
    "这家饭馆的牛肉面很有名，中午常常要排队。",
    "北京大学的研究生正在实验室里观察细胞分裂。",
]
ODD = [
    "a[MASK]b[SEP] 春天",
    "ＡＢＣ１２３，全角",
    "é Café 的\u0301",
    "👨\u200d👩 风筝",
    "한국어 서울",
    "x" * 120 + "的",
]
EMPTY = ["", " \u3000\n", "\x00\u200b"]


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def vocabulary_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vocabulary")
    train_vocabulary([*TEXTS, "Café 한국어"], 400).save(folder, model_max_length=64)
    return folder


@pytest.fixture(scope="module")
def tokenizer(vocabulary_folder):
    return AutoTokenizer.from_pretrained(vocabulary_folder)


@pytest.fixture(scope="module")
def collator(tokenizer):
    return WholeWordCollator(tokenizer)


def of_texts(texts):
    return [{"text": text} for text in texts]


def drawn(collator, features, seed=0):
    torch.manual_seed(seed)
    return collator(features)


def assert_equal(one, other):
    assert one.keys() == other.keys()
    for name in one:
        assert torch.equal(one[name], other[name]), name


def unmasked(batch):
    return torch.where(batch["labels"] == IGNORED, batch["input_ids"], batch["labels"])


def words_of(tokenizer, text):
    """Return the places of each word's tokens by jieba itself and the tokenizer's offsets, one token at a time."""
    ends = list(accumulate(map(len, jieba.lcut(text))))
    offsets = tokenizer(text, return_offsets_mapping=True)["offset_mapping"]
    places = [[] for _ in ends]
    for place, (start, end) in enumerate(offsets):
        if end > start:  # [CLS] and [SEP] stand for nothing
            places[next(word for word, last in enumerate(ends) if start < last)].append(place)
    return [each for each in places if each]


def test_the_ids_are_the_tokenizers_own(tokenizer):
    texts = [*TEXTS, *ODD, "".join(TEXTS), *EMPTY]
    theirs = tokenizer(texts, split_special_tokens=True, padding=True, truncation=True, return_tensors="pt")
    for multiple, width in ((None, 64), (48, 96)):
        collator = WholeWordCollator(tokenizer, pad_to_multiple_of=multiple)
        batch = drawn(collator, of_texts(texts))
        assert batch.keys() == {"input_ids", "token_type_ids", "attention_mask", "labels"}
        assert {values.shape for values in batch.values()} == {(len(texts), width)}
        assert {values.dtype for values in batch.values()} == {torch.int64}
        assert torch.equal(unmasked(batch)[:, :64], theirs["input_ids"])
        assert torch.equal(batch["attention_mask"][:, :64], theirs["attention_mask"])
        assert torch.equal(batch["token_type_ids"][:, :64], theirs["token_type_ids"])
        assert not batch["attention_mask"][:, 64:].any()


def test_what_is_predicted_is_jiebas_words_whole_and_no_special_token(tokenizer, collator):
    words = [words_of(tokenizer, text) for text in TEXTS]
    n_masked = 0
    for seed in range(40):
        for text, row, places in zip(TEXTS, drawn(collator, of_texts(TEXTS), seed)["labels"], words, strict=True):
            masked = set(torch.nonzero(row != IGNORED).flatten().tolist())
            whole = [place for word in places if masked & set(word) for place in word]
            assert masked == set(whole)
            n_tokens = sum(map(len, places)) + 2
            assert 1 <= len(masked) <= max(1, round(0.15 * n_tokens)), text
            n_masked += len(masked)
    assert n_masked > 40 * len(TEXTS)


def test_eight_of_ten_become_mask_one_a_random_token_and_one_stays(tokenizer, collator):
    counts = {"mask": 0, "random": 0, "keep": 0}
    for seed in range(300):
        batch = drawn(collator, of_texts(TEXTS), seed)
        masked = batch["labels"] != IGNORED
        seen, wanted = batch["input_ids"][masked], batch["labels"][masked]
        counts["mask"] += int((seen == tokenizer.mask_token_id).sum())
        counts["keep"] += int((seen == wanted).sum())
        counts["random"] += int(((seen != wanted) & (seen != tokenizer.mask_token_id)).sum())
    n = sum(counts.values())
    # About 8,000 tokens: the deviation of a share of 0.8 is 0.0045.
    assert {name: count / n for name, count in counts.items()} == pytest.approx(
        {"mask": 0.8, "random": 0.1, "keep": 0.1}, abs=0.018
    )


def test_transformers_own_whole_words_are_whole_lines_of_chinese(tokenizer):
    with pytest.warns(UserWarning, match="Setting mask_replace_prob to 1"):
        theirs = DataCollatorForLanguageModeling(tokenizer, whole_word_mask=True)
    encoded = tokenizer(TEXTS[1], return_offsets_mapping=True, return_special_tokens_mask=True)
    n_tokens = len(encoded["input_ids"]) - 2
    torch.manual_seed(0)
    counts = [int((theirs([dict(encoded)])["labels"] != IGNORED).sum()) for _ in range(300)]
    assert set(counts) == {0, n_tokens}
    assert 0.05 < counts.count(n_tokens) / len(counts) < 0.25


@pytest.mark.parametrize(("workers", "persistent"), [(0, False), (2, False), (2, True)])
def test_epochs_differ_and_a_seed_repeats_them(collator, workers, persistent):
    def two_epochs(seed):
        torch.manual_seed(seed)
        loader = DataLoader(
            of_texts(TEXTS), batch_size=2, num_workers=workers, persistent_workers=persistent, collate_fn=collator
        )
        return [torch.cat([row for batch in loader for row in batch["labels"]]).tolist() for _ in range(2)]

    first, second = two_epochs(3)
    assert first != second
    assert two_epochs(3) == [first, second]
    assert two_epochs(4)[0] != first


def test_ranks_of_one_seed_mask_different_text_differently(tokenizer, collator):
    """The two texts have words of the same lengths, so equal keys would mask equal places."""
    text, other = "学习学习学习学习学习学习学习学习", "时间时间时间时间时间时间时间时间"
    assert [len(word) for word in words_of(tokenizer, text)] == [len(word) for word in words_of(tokenizer, other)]
    one, two = (
        [(drawn(collator, of_texts([each]), seed)["labels"] != IGNORED).tolist() for seed in range(10)]
        for each in (text, other)
    )
    assert one != two


@pytest.mark.parametrize("masking", ["wwm", "entity"])
def test_rows_of_a_shard_give_what_their_texts_give(tokenizer, vocabulary_folder, tmp_path, masking):
    source = tmp_path / "texts.txt"
    source.write_text("\n\n".join(TEXTS), "utf-8")
    settings = BuildSettings(inputs=(str(source),), vocab=str(vocabulary_folder), out=str(tmp_path / "out"), workers=1)
    build(settings)
    rows = load_dataset("arrow", data_files=f"{tmp_path}/out/*.arrow", split="train", cache_dir=str(tmp_path / "cache"))
    collator = WholeWordCollator(tokenizer, masking, max_length=20)
    batch = drawn(collator, list(rows))
    assert_equal(batch, drawn(collator, of_texts(TEXTS)))
    assert_equal(batch, drawn(collator, list(rows.with_format("torch"))))
    export(open_shards(settings.out), build_form({"name": "datasets"}), tmp_path / "rows")
    assert_equal(batch, drawn(collator, list(load_from_disk(str(tmp_path / "rows")))))


def test_an_entity_is_masked_whole(tokenizer, tmp_path):
    (tmp_path / "places.txt").write_text("海博物馆的青铜器\n", "utf-8")
    collator = WholeWordCollator(
        tokenizer, {"name": "entity", "rate": 0.4}, entities=[str(tmp_path / "places.txt")], tags=[]
    )
    entity = set(range(2, 10))  # behind [CLS] and 上
    found = []
    for seed in range(60):
        (row,) = drawn(collator, of_texts([TEXTS[3]]), seed)["labels"]
        found.append(entity & set(torch.nonzero(row != IGNORED).flatten().tolist()))
    assert {frozenset(each) for each in found} == {frozenset(), frozenset(entity)}


def test_a_text_without_tokens_is_a_row_with_nothing_to_predict(tokenizer, collator):
    batch = drawn(collator, of_texts(EMPTY))
    assert batch["input_ids"].tolist() == [[tokenizer.cls_token_id, tokenizer.sep_token_id]] * len(EMPTY)
    assert (batch["labels"] == IGNORED).all()


def test_a_pickle_holds_the_settings_and_no_tables(tokenizer):
    collator = WholeWordCollator(tokenizer, {"name": "wwm", "rate": 0.3}, max_length=30, pad_to_multiple_of=8)
    packed = pickle.dumps(collator)
    assert len(packed) < len(pickle.dumps(tokenizer)) + 2000
    assert_equal(drawn(pickle.loads(packed), of_texts(TEXTS)), drawn(collator, of_texts(TEXTS)))  # noqa: S301


@pytest.mark.slow
def test_spawned_workers_draw_what_forked_ones_draw(collator):
    batches = []
    for method in ("fork", "spawn"):
        torch.manual_seed(1)
        loader = DataLoader(
            of_texts(TEXTS), batch_size=4, num_workers=1, multiprocessing_context=method, collate_fn=collator
        )
        batches.append(list(loader))
    for one, other in zip(*batches, strict=True):
        assert_equal(one, other)


def small_model(tokenizer):
    shape = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    return BertForMaskedLM(BertConfig(vocab_size=len(tokenizer), max_position_embeddings=64, **shape))


def test_a_trainer_draws_anew_every_epoch_and_repeats_with_its_seed(tokenizer, tmp_path):
    def epochs(seed):
        batches = []

        def noted(features):
            batches.append(collator(features))
            return batches[-1]

        arguments = TrainingArguments(
            str(tmp_path), num_train_epochs=2, per_device_train_batch_size=len(TEXTS), seed=seed, use_cpu=True,
            remove_unused_columns=False, save_strategy="no", disable_tqdm=True,
        )  # fmt: skip
        collator = WholeWordCollator(tokenizer, max_length=32)
        Trainer(small_model(tokenizer), arguments, train_dataset=of_texts(TEXTS), data_collator=noted).train()
        return [
            dict(zip(map(tuple, unmasked(batch).tolist()), batch["labels"].tolist(), strict=True)) for batch in batches
        ]

    first, second = epochs(1)
    assert first.keys() == second.keys()
    assert first != second
    assert epochs(1) == [first, second]
    assert epochs(2)[0] != first


def test_it_trains_in_a_plain_trainer(tokenizer, tmp_path):
    model = small_model(tokenizer)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    arguments = TrainingArguments(
        str(tmp_path), max_steps=4, per_device_train_batch_size=4, learning_rate=1e-3, logging_steps=1, use_cpu=True,
        remove_unused_columns=False, save_strategy="no", report_to="none", disable_tqdm=True,
    )  # fmt: skip
    trainer = Trainer(
        model, arguments, train_dataset=of_texts(TEXTS), data_collator=WholeWordCollator(tokenizer, max_length=32)
    )
    trainer.train()
    losses = [line["loss"] for line in trainer.state.log_history if "loss" in line]
    assert len(losses) == 4
    assert all(0 < loss < 20 for loss in losses)
    assert any(not torch.equal(value, before[name]) for name, value in model.state_dict().items())
    trainer.save_model(str(tmp_path / "model"))
    assert AutoTokenizer.from_pretrained(tmp_path / "model").get_vocab() == tokenizer.get_vocab()


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"masking": "wmm"}, SettingsError, "Did you mean 'wwm'"),
        ({"masking": {"name": "wwm", "rat": 0.2}}, SettingsError, "Did you mean 'rate'"),
        ({"max_length": 2}, SettingsError, "leaves no room"),
        ({"pad_to_multiple_of": 0}, SettingsError, "is below 1"),
        ({"segmenter": "jeiba"}, SettingsError, "Did you mean 'jieba'"),
        ({"segmenter": "chars", "dictionaries": ["mine.txt"]}, SettingsError, "chars has no such setting"),
        ({"dictionaries": "mine.txt"}, SettingsError, r"Write \['mine.txt'\]"),
        ({"dictionaries": ["gone.txt"]}, MissingInputError, "gone.txt"),
        ({"entities": ["places.txt"]}, SettingsError, "word masking passes them over"),
        ({"phrases": ["idioms.txt"], "masking": "char"}, SettingsError, "character masking passes them over"),
        ({"phrases": ["gone.txt"], "masking": "phrase"}, MissingInputError, "gone.txt"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_at_once(tokenizer, settings, error, said):
    with pytest.raises(error, match=said):
        WholeWordCollator(tokenizer, **settings)


def test_a_tokenizer_that_names_no_length_needs_one(vocabulary_folder):
    tokenizer = AutoTokenizer.from_pretrained(vocabulary_folder, model_max_length=int(1e30))
    with pytest.raises(SettingsError, match="max_length=512"):
        WholeWordCollator(tokenizer)
    assert drawn(WholeWordCollator(tokenizer, max_length=512), of_texts(TEXTS))["input_ids"].shape[0] == len(TEXTS)


def test_a_tokenizer_that_is_not_berts_is_refused(vocabulary_folder, tokenizer):
    slow = BertTokenizerLegacy(str(vocabulary_folder / "vocab.txt"))
    with pytest.raises(DataError, match="BertTokenizerLegacy: is no fast tokenizer"):
        WholeWordCollator(slow)
    backend = Vocabulary(list(tokenizer.get_vocab())).tokenizer()
    backend.model = models.BPE()
    with pytest.raises(DataError, match="found BertNormalizer and BPE"):
        WholeWordCollator(PreTrainedTokenizerFast(tokenizer_object=backend))
    more = AutoTokenizer.from_pretrained(vocabulary_folder)
    more.add_tokens(["春天"])
    with pytest.raises(DataError, match="added tokens"):
        WholeWordCollator(more)


@pytest.mark.parametrize(
    ("feature", "said"),
    [
        ({}, "remove_unused_columns=False"),
        ({"input_ids": [2, 3]}, "neither text nor ids and flags"),
        ({"text": None}, "text is of type NoneType"),
        ({"ids": [99_999], "flags": [1]}, "Take the tokenizer of the shards"),
        ({"ids": [-1], "flags": [1]}, "Take the tokenizer of the shards"),
    ],
)
def test_a_feature_of_something_else_is_named(collator, feature, said):
    with pytest.raises(DataError, match=said):
        collator([feature])


@pytest.mark.parametrize(
    ("features", "said"),
    [
        ([], "a batch of no feature"),
        (["春天来了"], r'a feature is of type str, no columns. Give \{"text"'),
        ([{"text": "春天"}, ["春天"]], "a feature is of type list"),
        ([{"text": "春天"}, {"ids": [5], "flags": [1]}], "some features of a batch have text, others ids and flags"),
        ([{"text": "春天"}, {"id": "2"}], "neither text nor ids and flags"),
    ],
)
def test_a_batch_that_is_none_is_named(collator, features, said):
    with pytest.raises(DataError, match=said):
        collator(features)


def test_a_tokenizer_that_reads_an_entry_as_empty_is_taken(tokenizer, tmp_path):
    entries = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get)
    (tmp_path / "vocab.txt").write_text("\n".join([*entries[:9], "\u2028", *entries[9:]]), "utf-8")
    with_empty = BertTokenizer(str(tmp_path / "vocab.txt"), model_max_length=64)
    assert "" in with_empty.get_vocab()
    batch = drawn(WholeWordCollator(with_empty), of_texts(TEXTS))
    theirs = with_empty(TEXTS, split_special_tokens=True, padding=True, return_tensors="pt")
    assert torch.equal(unmasked(batch), theirs["input_ids"])


def test_words_are_those_of_the_segmenter_that_is_named(tokenizer):
    collator = WholeWordCollator(tokenizer, {"name": "wwm", "rate": 0.4}, segmenter="presegmented", max_length=512)
    text = "春天来了， 小河边的柳树 发出新芽"
    stretches = list(pairwise([1, 6, 12, 16]))
    for seed in range(30):
        (row,) = drawn(collator, of_texts([text]), seed)["labels"]
        for start, end in stretches:
            assert len(set((row[start:end] != IGNORED).tolist())) == 1
