"""What every training shares: optimisers, the loop, checkpoints. Knows no images and no words."""
