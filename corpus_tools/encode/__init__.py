"""Text to token ids and flags: the vocabulary, its tokenizer, and the meeting of words and tokens by offset."""
