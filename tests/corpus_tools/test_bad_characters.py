"""Characters that break careless code, by name: words join to the text, tokens are the library's, [UNK] is counted."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from batches import documents_of
from odd_texts import SENTENCES, small_vocabulary

from corpus_tools.encode.encoder import Encoder
from corpus_tools.encode.tokenize import CorpusTokenizer
from corpus_tools.schema import PARAGRAPH, SENTENCE, WORD, Document
from corpus_tools.segment import build_segmenter, word_starts
from corpus_tools.shards.verify import problems_of
from corpus_tools.text.batch import TextBatch

CHARACTERS = {
    "NUL": "\0",
    "all of C0": "".join(map(chr, range(0x20))),
    "DEL and all of C1": "".join(map(chr, range(0x7F, 0xA0))),
    "replacement character": "\ufffd",
    "byte order mark inside": "\ufeff",
    "joiner and non-joiner": "a\u200d\u200cb\u200d的\u200c",
    "override of direction": "\u202e\u2066ab\u2069\u202c",
    "variation selectors": "☎\ufe0e☎\ufe0f的\U000e0100",
    "emoji families": "👨\u200d👩\u200d👧\u200d👦",
    "flags": "🇨🇳🇭🇰🇨",
    "skin tones": "👍🏻👍🏿🏽",
    "keycaps and tags": "1️⃣🏴\U000e0067\U000e0062\U000e007f",
    "extension A": "㐀㐂䶵",
    "extension B": "𠀀𠮷𪛖",
    "extensions G and H": "\U00030000\U0003134a\U00031350",
    "compatibility characters": "豈﨎\U0002f800ﬁ㎏",
    "private use": "\ue000\uf8ff\U000f0000\U0010fffd",
    "no characters": "\ufffe\uffff\U0001fffe\U0010ffff",
    "1,000 marks on one letter": "e" + "\u0301" * 1000,
    "1,000 marks on a Chinese character": "的" + "\u0300\u0327" * 500,
    "circle zero": "二〇〇五年〇",
    "full-width ASCII": "ＡＢＣ，１２３（ａ）～",
    "ideographic space": "\u3000的\u3000\u3000",
    "line separators": "一\u2028二\u2029三\x85四\x0b五\x0c六",
    "half-width kana and Hangul": "ｶﾞﾊﾟﾡ한\u1112\u1161\u11ab",
    "capitals that grow": "İSTANBULẞŉǅ",
}


@pytest.fixture(scope="module", params=[True, False], ids=["lower", "cased"])
def vocabulary(request):
    return small_vocabulary(request.param)


@pytest.fixture(scope="module")
def segmenter():
    return build_segmenter({"name": "jieba"})


@pytest.mark.parametrize("name", CHARACTERS)
def test_characters_keep_their_places_through_words_tokens_and_flags(vocabulary, segmenter, name):
    odd = CHARACTERS[name]
    for text in (odd, odd * 3, f"{SENTENCES[0]}{odd}{SENTENCES[1]}", f"天{odd}门", f"a{odd}b"):
        starts = word_starts(segmenter, text)
        words = [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]
        assert "".join(words) == text
        assert all(words)

        made = Encoder(vocabulary, segmenter).encode([Document("d", "s", text)])
        theirs = vocabulary.corpus_tokenizer().encode(text, add_special_tokens=False)
        assert made.ids.tolist() == theirs.ids
        tokens = CorpusTokenizer(vocabulary).tokenize(TextBatch.of([text]))
        assert [*zip(tokens.begins.tolist(), tokens.ends.tolist(), strict=True)] == theirs.offsets
        assert made.counts.unknown_tokens == theirs.ids.count(vocabulary.unk_id)
        assert bool(made.counts.unknown_characters) <= bool(made.counts.unknown_tokens)
        if not theirs.ids:
            assert [reject.reason for reject in made.rejects] == ["no_tokens"]
            continue
        [document] = documents_of(made)
        assert list(problems_of(document, vocabulary.size, [])) == []
        assert document.flags[0] == WORD | SENTENCE | PARAGRAPH
        # A token begins a word where a word begins between its first character and the one before.
        firsts, lasts = np.array(theirs.offsets).T
        begun = np.searchsorted(starts, firsts, side="right")
        before = np.append(-1, np.searchsorted(starts, lasts[:-1] - 1, side="right"))
        assert (document.flags & WORD != 0).tolist() == (begun != before).tolist()


def test_the_characters_behind_unk_are_named(segmenter):
    vocabulary = small_vocabulary()
    made = Encoder(vocabulary, segmenter).encode([Document("d", "s", f"的{''.join(CHARACTERS.values())}的")])
    assert made.counts.unknown_characters["\U00030000"] == 1
    assert Counter(made.counts.unknown_characters).total() >= made.counts.unknown_tokens - len(CHARACTERS)
