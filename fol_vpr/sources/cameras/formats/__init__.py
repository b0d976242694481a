"""The formats of calibration files, recognised by their content."""
