"""Inference: devices, CUDA graphs, ONNX export."""
