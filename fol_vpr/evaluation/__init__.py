"""Ground truth, Recall@K and latency of an offline run or of a recorded live one."""
