"""Compressed video, packet by packet, through PyAV."""
