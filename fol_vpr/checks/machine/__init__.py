"""The computer: processor, memory and their limits, temperature, GPU and torch."""
