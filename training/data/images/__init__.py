"""What is done to the pixels of an image before the network learns from it."""
