"""Pre-train, fine-tune and evaluate Chinese language models on the marks that `corpus_tools` makes."""
