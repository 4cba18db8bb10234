"""A simplified copy of text in traditional characters, of the same length: what is found in it stands in the text.

Segmenters and dictionaries know simplified characters: to jieba 臺灣大學 is 臺 and 灣大學, and 台湾大学 is one word.

Letters: C characters of a batch.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from corpus_tools.double_array import code_points
from corpus_tools.errors import SettingsError
from corpus_tools.text.batch import TextBatch

CONFIG: Final = "t2s"
"""OpenCC's name for: from traditional characters to simplified ones, by phrases and characters."""


class Simplifier:
    """Simplifies by OpenCC.

    A character stays where its simplified form is one that few fonts have: jieba takes such forms for no Chinese.
    """

    def __init__(self) -> None:
        """Load OpenCC's tables, in a few milliseconds.

        Raises:
            SettingsError: OpenCC is not installed.
        """
        try:
            import opencc
        except ModuleNotFoundError as error:
            raise SettingsError(
                "segment_as: 'simplified' needs the package OpenCC, which is not installed: pip install 'cn-bert[zh]'"
            ) from error
        self._opencc = opencc.OpenCC(CONFIG, include_tofu_risk_dictionaries=False)
        self.fingerprint: Final = f"opencc-{opencc.__version__}-{CONFIG}"

    def batch(self, batch: TextBatch) -> tuple[TextBatch, int]:
        """Return the batch with its texts simplified, and how many characters were converted one by one."""
        texts, n_singly = zip(*map(self.text, batch.texts), strict=True) if batch.texts else ((), ())
        return replace(batch, texts=texts, codes=code_points("".join(texts))), sum(n_singly)

    def text(self, text: str) -> tuple[str, int]:
        """Return the simplified copy, character for character, and how many of them were converted one by one.

        These are of lines that would change their length; no entry of OpenCC 1.4's tables makes one.
        """
        copy = self._convert(text)
        if len(copy) == len(text):
            return copy, 0
        lines = text.split("\n")
        copies = [self._convert(line) for line in lines]
        unlike = [n for n, (line, copy) in enumerate(zip(lines, copies, strict=True)) if len(line) != len(copy)]
        for n in unlike:
            copies[n] = "".join(map(self._character, lines[n]))
        return "\n".join(copies), sum(len(lines[n]) for n in unlike)

    def _character(self, character: str) -> str:
        copy = self._convert(character)
        return copy if len(copy) == 1 else character

    def _convert(self, text: str) -> str:
        copy: str = self._opencc.convert(text)
        return copy
