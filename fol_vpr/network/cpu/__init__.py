"""The forward pass on a CPU: the same network with weights laid out once and fewer passes."""
