"""The vocabulary: what is refused, and that what is saved gives everyone the same ids."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from odd_texts import ODD, SENTENCES, small_vocabulary
from tokenizers import normalizers
from transformers import AutoTokenizer, BertTokenizer

from corpus_tools.encode.tokenize import CorpusTokenizer
from corpus_tools.encode.vocabulary import Vocabulary, from_tokenizer, is_han, load_vocabulary, refuse_word
from corpus_tools.errors import DataError, MissingInputError, SettingsError
from corpus_tools.text.batch import TextBatch

HEAD = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def write(path, entries, end="\n"):
    path.write_bytes("".join(entry + end for entry in entries).encode())
    return path


def test_entries_keep_their_line_numbers_as_ids(tmp_path):
    made = load_vocabulary(write(tmp_path / "vocab.txt", [*HEAD, "的", "##s"]))
    assert made.tokens == [*HEAD, "的", "##s"]
    assert (made.pad_id, made.unk_id, made.cls_id, made.sep_id, made.mask_id) == (0, 1, 2, 3, 4)
    assert made.size == 7


def test_only_a_line_feed_ends_an_entry(tmp_path):
    made = load_vocabulary(write(tmp_path / "vocab.txt", [*HEAD, "\u2028", "\x85", "的"]))
    assert made.tokens[5:] == ["\u2028", "\x85", "的"]


@pytest.mark.parametrize(
    ("entries", "end", "said"),
    [
        (["[PAD]", "[UNK]", "[CLS]", "[SEP]", "的"], "\n", r"\[MASK\] is missing"),
        ([*HEAD, "的", "一", "的"], "\n", r"vocab.txt:8: '的' stands on line 6"),
        (HEAD, "\r\n", r"vocab.txt:1: .*CR LF"),
        ([*HEAD, "", "的"], "\n", r"vocab.txt:6: the entry is blank"),
        ([], "\n", "is empty"),
        (["", ""], "\n", "is empty"),
    ],
)
def test_what_is_no_bert_vocabulary_is_refused_with_its_line(tmp_path, entries, end, said):
    with pytest.raises(DataError, match=said):
        load_vocabulary(write(tmp_path / "vocab.txt", entries, end))


def test_a_vocabulary_that_is_not_there_or_not_utf8_is_named(tmp_path):
    with pytest.raises(MissingInputError, match="nowhere"):
        load_vocabulary(tmp_path / "nowhere")
    with pytest.raises(MissingInputError, match="neither"):
        load_vocabulary(tmp_path)
    (tmp_path / "gbk.txt").write_bytes("的\n".encode("gbk"))
    with pytest.raises(DataError, match="not UTF-8"):
        load_vocabulary(tmp_path / "gbk.txt")


def test_a_chinese_character_is_what_the_tokenizer_sets_apart():
    normalizer = normalizers.BertNormalizer(False, True, False, False)
    codes = [*range(0x3300, 0xFB00, 7), *range(0x1FF00, 0x30000, 97), 0x4E00, 0x9FFF, 0x3400, 0x4DBF, 0x3007]
    for code in codes:
        if not 0xD800 <= code < 0xE000:
            assert is_han(chr(code)) == (normalizer.normalize_str(f"a{chr(code)}") != f"a{chr(code)}"), hex(code)


def test_the_arrays_that_masking_uses_name_the_right_entries():
    made = Vocabulary([*HEAD, "[unused1]", "的", "##的", "##s", "##", "[", "##的s"])
    assert [token for token, so in zip(made.tokens, made.special, strict=True) if so] == HEAD
    assert [token for token, so in zip(made.tokens, made.unused, strict=True) if so] == ["[unused1]"]
    assert [token for token, so in zip(made.tokens, made.continued_han, strict=True) if so] == ["##的"]


@pytest.mark.parametrize("lower_case", [True, False])
def test_a_saved_vocabulary_is_the_same_to_us_and_to_transformers(tmp_path, lower_case):
    made = small_vocabulary(lower_case)
    made.save(tmp_path, model_max_length=77)
    again = load_vocabulary(tmp_path)
    (tmp_path / "tokenizer.json").rename(tmp_path / "aside.json")
    from_text = load_vocabulary(tmp_path)
    (tmp_path / "aside.json").rename(tmp_path / "tokenizer.json")
    assert again.fingerprint == from_text.fingerprint == made.fingerprint

    theirs = AutoTokenizer.from_pretrained(tmp_path)
    assert isinstance(theirs, BertTokenizer)
    assert theirs.model_max_length == 77
    assert theirs("我[MASK]你").input_ids == [made.cls_id, made.unk_id, made.mask_id, made.unk_id, made.sep_id]
    for text in ODD + SENTENCES:
        assert (
            theirs(text, add_special_tokens=False, truncation=False).input_ids
            == made.tokenizer().encode(text, add_special_tokens=False).ids
        )


def test_what_transformers_saves_can_be_read(tmp_path, vocabulary):
    vocabulary.save(tmp_path / "ours")
    AutoTokenizer.from_pretrained(tmp_path / "ours").save_pretrained(tmp_path / "theirs")
    assert load_vocabulary(tmp_path / "theirs").fingerprint == vocabulary.fingerprint


def test_an_entry_that_transformers_reads_as_empty_matches_nothing_and_keeps_its_id(tmp_path, vocabulary):
    odd = ["\u2027", "\u2028", "\u2030", "##\u2028"]
    bare = [token for token in vocabulary.tokens if token not in odd]
    write(tmp_path / "vocab.txt", [*bare[:9], *odd, *bare[9:]])
    theirs = BertTokenizer(str(tmp_path / "vocab.txt"))
    assert "" in theirs.get_vocab()
    theirs.save_pretrained(tmp_path / "saved")

    made = from_tokenizer(json.loads(theirs.backend_tokenizer.to_str()), "theirs")

    assert made.size == len(theirs)
    assert load_vocabulary(tmp_path / "saved").fingerprint == made.fingerprint
    made.save(tmp_path / "ours")
    assert load_vocabulary(tmp_path / "ours").fingerprint == made.fingerprint
    texts = [
        *ODD,
        *SENTENCES,
        "a\u2027b\u2028c\u2030d",
        "\u2028",
        "##\u2028",
        "的\u2028\u2028的",
        "a" + "\u2028" * 120 + "b",
    ]
    for table in (load_vocabulary(tmp_path / "vocab.txt"), made):
        tokens = CorpusTokenizer(table).tokenize(TextBatch.of(texts))
        for text, (start, end) in zip(texts, pairwise(tokens.bounds.tolist()), strict=True):
            expected = theirs(text, add_special_tokens=False, split_special_tokens=True).input_ids
            assert tokens.ids[start:end].tolist() == expected, text


def test_case_and_order_enter_the_fingerprint(vocabulary):
    turned = vocabulary.tokens[:-2] + vocabulary.tokens[-2:][::-1]
    assert len({vocabulary.fingerprint, small_vocabulary(False).fingerprint, Vocabulary(turned).fingerprint}) == 3


def changed(folder, change):
    path = folder / "tokenizer.json"
    saved = json.loads(path.read_text("utf-8"))
    change(saved)
    path.write_text(json.dumps(saved), "utf-8")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda saved: saved["model"].update(type="BPE"), "BertNormalizer and BPE"),
        (lambda saved: saved["normalizer"].update(handle_chinese_chars=False), "tokenize_chinese_chars"),
        (lambda saved: saved["normalizer"].update(strip_accents=False), "strip_accents"),
        (lambda saved: saved["normalizer"].update(clean_text=False), "normalizer.clean_text is False"),
        (lambda saved: saved.update(pre_tokenizer={"type": "Whitespace"}), "pre_tokenizer.type is 'Whitespace'"),
        (lambda saved: saved["model"].update(max_input_chars_per_word=200), "max_input_chars_per_word is 200"),
        (lambda saved: saved["model"]["vocab"].update(新=9999), "the ids are not 0 to 150, each once"),
        (lambda saved: saved["model"]["vocab"].update(的=6), "the ids are not 0 to 149, each once"),
        (lambda saved: saved["model"]["vocab"].update(的="92"), "the ids are not 0 to 149, each once"),
        (lambda saved: saved["model"].update(vocab=["的"]), "is missing"),
        (lambda saved: saved["model"].pop("vocab"), "is missing"),
        (lambda saved: saved.update(model=["WordPiece"]), "BertNormalizer and None"),
        (lambda saved: saved.update(pre_tokenizer=None), "pre_tokenizer.type is None"),
        (lambda saved: saved["added_tokens"].append({"content": "研究生", "id": 9}), "added tokens .研究生"),
    ],
)
def test_a_tokenizer_whose_ids_we_could_not_reproduce_is_refused(tmp_path, vocabulary, change, said):
    vocabulary.save(tmp_path)
    changed(tmp_path, change)
    with pytest.raises(DataError, match=said):
        load_vocabulary(tmp_path)


@pytest.mark.parametrize("name", ["tokenizer.json", "vocab.txt"])
@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("added_tokens.json", {"研究生": 150}, r"added_tokens\.json: added tokens \(研究生\)"),
        ("tokenizer_config.json", {"added_tokens_decoder": {"150": {"content": "研究生"}}}, r"added tokens \(研"),
        ("tokenizer_config.json", {"additional_special_tokens": ["研究生"]}, r"added tokens \(研究生\)"),
        ("tokenizer_config.json", {"extra_special_tokens": {"name": "研究生"}}, r"added tokens \(研究生\)"),
        ("special_tokens_map.json", {"additional_special_tokens": ["研究生"]}, r"map\.json: added tokens \(研究生\)"),
        ("tokenizer_config.json", {"tokenize_chinese_chars": False}, "tokenize_chinese_chars is off"),
        ("tokenizer_config.json", {"strip_accents": False}, "strip_accents is False and do_lower_case is True"),
    ],
)
def test_what_stands_beside_a_vocabulary_and_changes_ids_is_refused(tmp_path, vocabulary, name, file, change, said):
    vocabulary.save(tmp_path)
    for other in {"tokenizer.json", "vocab.txt"} - {name}:
        (tmp_path / other).unlink()
    path = tmp_path / file
    path.write_text(json.dumps((json.loads(path.read_text("utf-8")) if path.exists() else {}) | change), "utf-8")
    text = "他是研究生，é"
    theirs = AutoTokenizer.from_pretrained(tmp_path)(text, add_special_tokens=False).input_ids
    assert theirs != vocabulary.tokenizer().encode(text, add_special_tokens=False).ids
    with pytest.raises(DataError, match=said):
        load_vocabulary(tmp_path)


def test_a_folder_whose_files_differ_on_case_is_refused(tmp_path, vocabulary):
    vocabulary.save(tmp_path)
    config = tmp_path / "tokenizer_config.json"
    config.write_text(json.dumps(json.loads(config.read_text("utf-8")) | {"do_lower_case": False}), "utf-8")
    with pytest.raises(DataError, match=r"tokenizer\.json: lowercase is True, do_lower_case in .* Make them equal"):
        load_vocabulary(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    assert not load_vocabulary(tmp_path).lower_case


@pytest.mark.parametrize("content", ["", "{", "[" * 100_000, "[]", '{"a": 1}{'])
def test_a_tokenizer_that_is_no_json_object_is_named(tmp_path, vocabulary, content):
    vocabulary.save(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_text(content, "utf-8")
        with pytest.raises(DataError, match=rf"{name}: (not JSON|expected a JSON object)"):
            load_vocabulary(tmp_path)
        (tmp_path / name).unlink()


@pytest.mark.parametrize("word", ["研究生", "##研究", "研a", "a研", "##研"])
def test_a_word_that_could_never_match_is_refused_with_the_reason(word):
    with pytest.raises(SettingsError, match=r"list.txt:3: .* can never match"):
        refuse_word(word, "list.txt:3")


@pytest.mark.parametrize("word", ["研", "gpt", "##ing", "é", "，"])
def test_characters_and_pieces_are_welcome(word):
    refuse_word(word, "list.txt:3")
