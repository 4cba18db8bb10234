"""Make a WordPiece vocabulary for Chinese out of text, or extend one.

Chinese characters are tokens of their own and enter by how often they occur. Everything else the tokenizer sees as a
word (Latin, digits, kana, ...) is cut into pieces, learnt by joining the commonest neighbours. No entry is `##` and a
Chinese character: BERT's tokenizer never asks for one, though a third of Google's Chinese vocabulary is such.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from corpus_tools.encode.vocabulary import CLS, MASK, PAD, SEP, UNK, Vocabulary, is_han, refuse_word
from corpus_tools.errors import DataError, SettingsError

N_UNUSED: Final = 99
"""[unused1] to [unused99] stand where Google's Chinese vocabulary has them, so [CLS] is 101 and [MASK] 103."""
CHARACTER_SHARE: Final = 0.8
"""Of the room, the part that characters may take before pieces get theirs."""
MAX_ALPHABET: Final = 1000
MIN_FREQUENCY: Final = 2
MAX_WORDS: Final = 2_000_000
"""Beyond so many different words the rarest are forgotten, so that memory stays flat."""

# Pieces that continue a word are spelt in private-use characters while they are learnt.
_CONTINUED: Final = 0x100000


@dataclass(slots=True)
class Census:
    """What the tokenizer finds in the text: characters that are tokens of their own, and words to cut into pieces."""

    characters: Counter[str] = field(default_factory=Counter)
    words: Counter[str] = field(default_factory=Counter)


def take_census(texts: Iterable[str], lower_case: bool = True) -> Census:
    """Count characters and words as BERT's tokenizer sees them."""
    pipeline = Vocabulary([PAD, UNK, CLS, SEP, MASK], lower_case).tokenizer()
    made = Census()
    for text in texts:
        for word, _ in pipeline.pre_tokenizer.pre_tokenize_str(pipeline.normalizer.normalize_str(text)):
            # Punctuation comes alone too, and so does a word of one letter.
            (made.characters if len(word) == 1 else made.words)[word] += 1
        if len(made.words) > MAX_WORDS:
            made.words = Counter(dict(made.words.most_common(MAX_WORDS // 2)))
    return made


def train_vocabulary(texts: Iterable[str], size: int, lower_case: bool = True) -> Vocabulary:
    """Make a vocabulary of at most `size` entries; fewer where the text does not give as many.

    Args:
        texts: read once.
        size: entries in all, the 104 special and unused ones among them.

    Raises:
        SettingsError: `size` leaves no room for a character.
        DataError: the text is empty.
    """
    fixed = [PAD, *(f"[unused{n}]" for n in range(1, N_UNUSED + 1)), UNK, CLS, SEP, MASK]
    room = size - len(fixed)
    if room < 1:
        raise SettingsError(
            f"size: {size} leaves no room; {len(fixed)} entries are special or unused. Take 1,000 or more"
        )
    census = take_census(texts, lower_case)
    if not census.characters and not census.words:
        raise DataError("vocab: no text was left to count. Are the inputs empty?")
    return Vocabulary(fixed + _choose(census, room, known=set()), lower_case)


def extend_vocabulary(
    vocabulary: Vocabulary, texts: Iterable[str], size: int, words: Sequence[tuple[str, str]] = ()
) -> Vocabulary:
    """Append what a vocabulary lacks, up to `size` entries in all. Every old entry keeps its id.

    Args:
        vocabulary: what to extend.
        texts: missing characters and Latin pieces are taken from here.
        size: entries in all afterwards, at most.
        words: (entry, place) pairs to append first, whatever the text holds; the place is for messages.

    Raises:
        SettingsError: `size` is no larger than the vocabulary, or an entry of `words` could never match.
    """
    known = set(vocabulary.tokens)
    asked: dict[str, None] = {}
    for word, place in words:
        refuse_word(word, place)
        if word not in known:
            asked[word] = None
    room = size - vocabulary.size - len(asked)
    if room < 0 or size <= vocabulary.size:
        least = vocabulary.size + max(len(asked), 1)
        raise SettingsError(
            f"size: {size} is too small: the vocabulary has {vocabulary.size} entries; take {least} or more"
        )
    chosen = _choose(take_census(texts, vocabulary.lower_case), room, known | set(asked))
    return Vocabulary([*vocabulary.tokens, *asked, *chosen], vocabulary.lower_case)


def _choose(census: Census, room: int, known: set[str]) -> list[str]:
    """Return up to `room` new entries: characters, then pieces, each commonest first."""
    # Equal counts are ordered by code point, so that the order of the text does not enter.
    ranked = sorted(census.characters.items(), key=lambda item: (-item[1], item[0]))
    # A letter that stands alone is the pieces' business, which bring their alphabet.
    wanted = [character for character, _ in ranked if character not in known]
    characters = wanted[: max(1, int(CHARACTER_SHARE * room))] if census.words else wanted[:room]
    taken = known | set(characters)
    pieces = learn_pieces(census.words, room + len(known), taken)[: room - len(characters)]
    # What the pieces leave is the characters' again.
    left = room - len(characters) - len(pieces)
    more = [character for character in wanted[len(characters) :] if character not in set(pieces)][:left]
    return characters + more + pieces


def learn_pieces(words: Counter[str], limit: int, known: set[str]) -> list[str]:
    """Learn WordPiece entries that `known` lacks: the alphabet, then joined pieces, the commonest pair first.

    `tokenizers`' own WordPiece trainer numbers the `##` letters in the order of a hash table, so its result changes
    from run to run. Its BPE trainer is deterministic; so letters that continue a word are spelt as characters of their
    own, pieces are learnt by BPE, and are spelt back.
    """
    if not words:
        return []
    letters = sorted({letter for word in words for letter in word[1:]})
    spell = {letter: chr(_CONTINUED + number) for number, letter in enumerate(letters)}
    letter_of = {spelt: letter for letter, spelt in spell.items()}

    def spelt_words() -> Iterator[str]:
        for word, count in sorted(words.items()):
            spelt = word[0] + "".join(spell[letter] for letter in word[1:])
            for _ in range(count):
                yield spelt

    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.BpeTrainer(
        vocab_size=limit, min_frequency=MIN_FREQUENCY, limit_alphabet=MAX_ALPHABET, show_progress=False
    )
    learner.train_from_iterator(_lines(spelt_words()), trainer)

    found = sorted(learner.get_vocab().items(), key=lambda item: item[1])
    pieces = ("".join(letter_of.get(letter, letter) for letter in spelt) for spelt, _ in found)
    marked = (("##" if spelt[0] in letter_of else "") + piece for piece, (spelt, _) in zip(pieces, found, strict=True))
    return [piece for piece in marked if piece not in known and not any(map(is_han, piece))]


def _lines(words: Iterable[str], n: int = 1000) -> Iterator[str]:
    words = iter(words)
    while group := list(islice(words, n)):
        yield " ".join(group)
