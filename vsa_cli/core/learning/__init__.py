"""Training shared by both models: sentences, recurrences, optimisers, the loop, checkpoints and model directories."""
