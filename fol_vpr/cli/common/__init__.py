"""What the verbs share: options from settings, progress and tables, processes, ground truth."""
