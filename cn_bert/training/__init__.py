"""Pre-training: one short loop on a DeepSpeed engine, exact to resume and to change the number of ranks."""
