"""The network from an exported ONNX file, in runtimes other than torch."""
