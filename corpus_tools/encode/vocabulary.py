"""A BERT vocabulary: its tokens, its special ids, and the tokenizer that goes with it.

Everything that decides which ids a text gets is here: the entries, their order, and whether text is lower-cased. The
rest is BERT's own and fixed: clean the text, set Chinese characters apart, strip accents where it lower-cases, split at
spaces and punctuation, longest match first.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from corpus_tools.errors import DataError, MissingInputError, SettingsError
from corpus_tools.schema import Bools

PAD: Final = "[PAD]"
UNK: Final = "[UNK]"
CLS: Final = "[CLS]"
SEP: Final = "[SEP]"
MASK: Final = "[MASK]"
SPECIALS: Final = (PAD, UNK, CLS, SEP, MASK)
MAX_WORD_CHARS: Final = 100
"""A longer run without a space, a Chinese character or punctuation is one [UNK], as in google-research/bert."""

_FIXED: Final = {
    ("normalizer", "clean_text"): True,
    ("pre_tokenizer", "type"): "BertPreTokenizer",
    ("model", "unk_token"): UNK,
    ("model", "continuing_subword_prefix"): "##",
    ("model", "max_input_chars_per_word"): MAX_WORD_CHARS,
}
"""Parts of a tokenizer.json that decide the ids and are the same in every BERT tokenizer."""

# What google-research/bert's _is_chinese_char, and so BertNormalizer, sets apart: the CJK ideograph blocks.
HAN_RANGES: Final = (
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B920, 0x2CEAF),
    (0x2F800, 0x2FA1F),
)


def is_han(character: str) -> bool:
    """Say whether BERT's tokenizer makes a token of its own out of this character."""
    return any(first <= ord(character) <= last for first, last in HAN_RANGES)


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Tokens in the order of their ids. Two vocabularies of one `fingerprint` give every text the same ids.

    Raises:
        DataError: a special token is missing, an entry stands twice or is no token.
    """

    tokens: list[str]
    lower_case: bool = True

    def __post_init__(self) -> None:
        check_entries(self.tokens, "vocabulary")

    @property
    def size(self) -> int:
        """Number of entries V."""
        return len(self.tokens)

    @cached_property
    def id_of(self) -> dict[str, int]:
        """Token to id."""
        return {token: number for number, token in enumerate(self.tokens)}

    @property
    def pad_id(self) -> int:
        return self.id_of[PAD]

    @property
    def unk_id(self) -> int:
        return self.id_of[UNK]

    @property
    def cls_id(self) -> int:
        return self.id_of[CLS]

    @property
    def sep_id(self) -> int:
        return self.id_of[SEP]

    @property
    def mask_id(self) -> int:
        return self.id_of[MASK]

    @cached_property
    def special(self) -> Bools:
        """Which entries are [PAD], [UNK], [CLS], [SEP] and [MASK]. [V]"""
        return np.array([token in SPECIALS for token in self.tokens])

    @cached_property
    def unused(self) -> Bools:
        """Which entries are placeholders, [unused1] and the like. [V]"""
        return np.array([token.startswith("[unused") and token.endswith("]") for token in self.tokens])

    @cached_property
    def continued_han(self) -> Bools:
        """Which entries are ## and a Chinese character: never matched, for such a character is always a word. [V]"""
        return np.array([len(token) == 3 and token.startswith("##") and is_han(token[2]) for token in self.tokens])

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the entries in order and of the lower-casing."""
        content = "\n".join([f"lower_case={self.lower_case}", *self.tokens])
        return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()

    def tokenizer(self) -> Tokenizer:
        """Make the tokenizer that reads "[MASK]" as the special token, as users of a model expect it."""
        made = self._pipeline()
        made.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in SPECIALS])
        return made

    def corpus_tokenizer(self) -> Tokenizer:
        """Make the tokenizer for text that nobody vouches for: a literal "[MASK]" in it is text, never the special id.

        The same as transformers' `split_special_tokens=True`.
        """
        made = self.tokenizer()
        made.encode_special_tokens = True
        return made

    def _pipeline(self) -> Tokenizer:
        model = models.WordPiece(
            self.id_of, unk_token=UNK, continuing_subword_prefix="##", max_input_chars_per_word=MAX_WORD_CHARS
        )
        made = Tokenizer(model)
        made.normalizer = normalizers.BertNormalizer(
            clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=self.lower_case
        )
        made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        made.decoder = decoders.WordPiece(prefix="##")
        made.post_processor = processors.TemplateProcessing(
            single=f"{CLS}:0 $A:0 {SEP}:0",
            pair=f"{CLS}:0 $A:0 {SEP}:0 $B:1 {SEP}:1",
            special_tokens=[(CLS, self.cls_id), (SEP, self.sep_id)],
        )
        return made

    def save(self, folder: Path | str, model_max_length: int = 512) -> None:
        """Write vocab.txt, tokenizer.json and tokenizer_config.json, which `AutoTokenizer.from_pretrained` reads."""
        to = Path(folder)
        to.mkdir(parents=True, exist_ok=True)
        config = {
            "tokenizer_class": "BertTokenizer",
            "do_lower_case": self.lower_case,
            "strip_accents": None,
            "tokenize_chinese_chars": True,
            "model_max_length": model_max_length,
            **{f"{token[1:-1].lower()}_token": token for token in SPECIALS},
        }
        (to / "vocab.txt").write_text("".join(f"{token}\n" for token in self.tokens), encoding="utf-8", newline="\n")
        (to / "tokenizer.json").write_text(self.tokenizer().to_str(pretty=True), encoding="utf-8", newline="\n")
        (to / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8", newline="\n")


def check_entries(tokens: Iterable[str], where: str) -> None:
    """Refuse a list of entries that is no BERT vocabulary.

    Raises:
        DataError: an entry ends in a carriage return or stands twice, or a special token is missing.
    """
    first: dict[str, int] = {}
    for number, token in enumerate(tokens, start=1):
        place = f"{where}:{number}"
        if token.endswith("\r"):
            raise DataError(f"{place}: the line ends in CR LF, so no entry would ever match. Convert it: dos2unix FILE")
        if token in first:
            raise DataError(f"{place}: '{token}' stands on line {first[token]} already. Each entry may stand once")
        first[token] = number
    if missing := [token for token in SPECIALS if token not in first]:
        raise DataError(f"{where}: {', '.join(missing)} is missing. This is no BERT vocabulary; add a line for each")


def load_vocabulary(path: Path | str, cased: bool = False) -> Vocabulary:
    """Read a vocabulary from a vocab.txt, or from a folder with tokenizer.json or vocab.txt as transformers saves it.

    Args:
        path: the file or the folder.
        cased: keep upper and lower case apart. A folder's own setting holds instead, where it has one.

    Raises:
        MissingInputError: nothing is there.
        DataError: it is not a BERT WordPiece vocabulary, or not one whose ids this package reproduces.
    """
    at = Path(path)
    if at.is_file():
        return Vocabulary(_read_entries(at), lower_case=not cased)
    if not at.exists():
        raise MissingInputError(f"{path}: no such vocabulary. Give a vocab.txt or a folder with a saved tokenizer")
    for name, reader in (("tokenizer.json", _from_tokenizer_json), ("vocab.txt", _from_vocab_txt)):
        if (at / name).is_file():
            return reader(at, cased)
    raise MissingInputError(f"{path}: holds neither tokenizer.json nor vocab.txt")


def _from_vocab_txt(folder: Path, cased: bool) -> Vocabulary:
    settings = _settings_beside(folder)
    return Vocabulary(_read_entries(folder / "vocab.txt"), lower_case=bool(settings.get("do_lower_case", not cased)))


def _from_tokenizer_json(folder: Path, cased: bool) -> Vocabulary:
    path = folder / "tokenizer.json"
    made = from_tokenizer(_read_json(path), str(path), cased)
    # transformers believes tokenizer_config.json, other readers tokenizer.json.
    if bool(_settings_beside(folder).get("do_lower_case", made.lower_case)) != made.lower_case:
        raise DataError(
            f"{path}: lowercase is {made.lower_case}, do_lower_case in tokenizer_config.json is not. Make them equal"
        )
    return made


def _settings_beside(folder: Path) -> dict[str, Any]:
    """Return what the files that transformers reads beside a vocabulary say.

    Raises:
        DataError: under them ids would differ from ours in silence, or one is no JSON object.
    """
    places = [folder / name for name in ("added_tokens.json", "special_tokens_map.json", "tokenizer_config.json")]
    added, special, settings = (_read_json(place) if place.is_file() else {} for place in places)
    _refuse_added(added, str(places[0]))
    for place, found in zip(places[1:], (special, settings), strict=True):
        for name in ("added_tokens_decoder", "additional_special_tokens", "extra_special_tokens"):
            tokens = found.get(name) or ()
            _refuse_added(tokens.values() if isinstance(tokens, dict) else tokens, str(place))
    _check_options(settings, str(places[-1]))
    return settings


def from_tokenizer(saved: Mapping[str, Any], where: str, cased: bool = False) -> Vocabulary:
    """Take the vocabulary out of a tokenizer of the `tokenizers` library.

    Args:
        saved: the tokenizer as tokenizer.json has it.
        where: names it in messages.
        cased: keep upper and lower case apart, where the tokenizer does not say.

    Raises:
        DataError: it is not a BERT WordPiece tokenizer, or not one whose ids this package reproduces.
    """
    parts = {name: part for name, part in saved.items() if isinstance(part, dict)}
    normalizer, model = parts.get("normalizer", {}), parts.get("model", {})
    if model.get("type") != "WordPiece" or normalizer.get("type") != "BertNormalizer":
        found = f"{normalizer.get('type')} and {model.get('type')}"
        raise DataError(f"{where}: expected BertNormalizer and WordPiece, found {found}. Only BERT tokenizers fit")
    for (part, name), expected in _FIXED.items():
        if (value := parts.get(part, {}).get(name)) != expected:
            raise DataError(f"{where}: {part}.{name} is {value!r}, BERT's is {expected!r}. Only BERT tokenizers fit")
    listed = model.get("vocab")
    entries: dict[str, int] = listed if isinstance(listed, dict) else {}
    if {number for number in entries.values() if isinstance(number, int)} != set(range(len(entries))):
        raise DataError(f"{where}: the ids are not 0 to {len(entries) - 1}, each once. Save the tokenizer again")
    tokens = sorted(entries, key=entries.__getitem__)
    _refuse_added(saved.get("added_tokens") or (), where)
    check_entries(tokens, where)
    lower = bool(normalizer.get("lowercase", not cased))
    # The names of tokenizer_config.json, so that one check serves both files.
    names = {"strip_accents": "strip_accents", "handle_chinese_chars": "tokenize_chinese_chars"}
    _check_options({"do_lower_case": lower} | {names[k]: v for k, v in normalizer.items() if k in names}, where)
    return Vocabulary(tokens, lower_case=lower)


def _refuse_added(tokens: Iterable[Any], where: str) -> None:
    """Refuse tokens that were added to a vocabulary; each is its text, or an object with it as `content`."""
    texts = [str(token.get("content")) if isinstance(token, dict) else str(token) for token in tokens]
    if added := [text for text in texts if text not in SPECIALS]:
        raise DataError(f"{where}: added tokens ({', '.join(added[:5])}) are matched before WordPiece; remove them")


def _check_options(settings: dict[str, Any], where: str) -> None:
    """Refuse the options under which ids would differ from ours in silence."""
    if settings.get("tokenize_chinese_chars", True) is not True:
        raise DataError(f"{where}: tokenize_chinese_chars is off; marks need every Chinese character to be a token")
    strip, lower = settings.get("strip_accents"), settings.get("do_lower_case", True)
    if strip is not None and bool(strip) != bool(lower):
        raise DataError(f"{where}: strip_accents is {strip} and do_lower_case is {lower}; only equal values are read")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON: {error}. Save the tokenizer again") from error
    if not isinstance(found, dict):
        raise DataError(f"{path}: expected a JSON object, found {type(found).__name__}")
    return found


def _read_entries(path: Path) -> list[str]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 (byte {error.start}). Save it as UTF-8") from error
    if not text.strip():
        raise DataError(f"{path}: the file is empty. A vocabulary has one token a line")
    # Only "\n" ends an entry: str.splitlines would also split at U+2028 and U+0085, which can be entries.
    entries = text.removesuffix("\n").split("\n")
    # In a file a blank line is a slip. A tokenizer may have an empty entry, which never matches: transformers makes one
    # of U+2028, which Google's Chinese vocabulary holds, and its ids count it.
    if "" in entries:
        raise DataError(
            f"{path}:{entries.index('') + 1}: the entry is blank. Every line of a vocabulary is one token; remove the "
            "line, or write [unusedN] there if a model has the ids behind it"
        )
    check_entries(entries, str(path))
    return entries


def refuse_word(word: str, where: str) -> None:
    """Refuse an entry that BERT's tokenizer can never match.

    Raises:
        SettingsError: the entry holds a Chinese character and another character.
    """
    bare = word.removeprefix("##")
    if any(is_han(character) for character in bare) and word != bare[:1]:
        raise SettingsError(
            f"{where}: '{word}' can never match: BERT's tokenizer splits Chinese text into single characters before it "
            "looks anything up. A vocabulary takes single characters and Latin pieces; give whole words to "
            "`corpus-tools build` with --dict, --entities or --phrases instead"
        )
