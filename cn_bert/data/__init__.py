"""From shards to the tensors of a step: mixture, sequences, plan, rows, batches."""
