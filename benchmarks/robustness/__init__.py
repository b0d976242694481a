"""Input of every kind, valid, odd and damaged: what is read, what is refused, and nothing else."""
