"""Scores of predictions, as the tasks' owners define them."""
