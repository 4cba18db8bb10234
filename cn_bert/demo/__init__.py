"""The first run: the whole path, from text to a fine-tuned model, on a small sample that ships with the package."""
