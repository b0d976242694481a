"""How the network runs: devices, packed and quantised layers, CUDA graphs, ONNX export."""
