"""Parts of the network as loops in bfloat16 that multiply by tiles (AMX), compiled by Numba."""
