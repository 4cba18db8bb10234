"""Shard folders: Arrow files of documents, a manifest that accounts for them, and the tokenizer they were made with."""
