"""The format of the map file: tables, rows, and codecs of local features."""
