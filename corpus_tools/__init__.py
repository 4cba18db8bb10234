"""Chinese text to shards of token ids and exact word, phrase and entity marks. No torch."""
