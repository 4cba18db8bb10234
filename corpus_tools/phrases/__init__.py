"""Mine phrases from a whole corpus by mutual information and branching entropy, and write a list of them."""

from __future__ import annotations

from corpus_tools.phrases.mine import Mined, PhraseSettings, mine_phrases

__all__ = ["Mined", "PhraseSettings", "mine_phrases"]
