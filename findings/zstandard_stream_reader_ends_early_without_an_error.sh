#!/usr/bin/env bash
# zstandard 0.25.0 (PyPI): a frame that is cut off is read as a shorter one.
#
# Expected by most: an error at the end of the file, as gzip and lzma of Python raise EOFError.
# Seen: `ZstdDecompressor.stream_reader` and `zstandard.open` give the whole blocks that are there, and
# end as at the end of a frame. `decompressobj` gives the same bytes, but has `eof`, which stays False.
# The packages backports.zstd and, in Python 3.14, compression.zstd raise EOFError.
# Where it matters: a download that broke off (drive.db3.zstd) is unpacked without complaint. Where the
# frame states its size, comparing with it finds that; frames written as a stream do not state it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check zstandard==0.25.0 'backports.zstd==1.8.0'
"$folder/venv/bin/python" - <<'PY'
import io

import zstandard
from backports import zstd

content = bytes(range(256)) * 4000
packer = zstandard.ZstdCompressor().compressobj()
packed = packer.compress(content) + packer.flush()
half = packed[:-20]

streamed = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(half)).read()
opened = zstandard.open(io.BytesIO(half), 'rb').read()
unpacker = zstandard.ZstdDecompressor().decompressobj()
fed = unpacker.decompress(half)
try:
    zstd.open(io.BytesIO(half)).read()
    other = 'no error'
except EOFError as error:
    other = f'EOFError: {error}'

print(f'{len(content)} bytes, packed {len(packed)}, of which {len(half)} are there')
print('stream_reader:', len(streamed), 'bytes, no error')
print('zstandard.open:', len(opened), 'bytes, no error')
print('decompressobj:', len(fed), 'bytes, eof', unpacker.eof)
print('backports.zstd:', other)
assert streamed == opened and 0 < len(streamed) < len(content)
assert not unpacker.eof and other.startswith('EOFError')
PY
