#!/usr/bin/env bash
# mcap 1.6.0 (PyPI): of a file whose end was never written, as after a power cut, make_reader() and
# NonSeekingReader give no message in their defaults; NonSeekingReader(...).iter_messages(log_time_order=False)
# gives all that are there.
#
# Expected by most: the messages up to the cut and then an error, or an error that says that the file is cut off.
# Seen: of 1,000 messages, the file cut at 70 %: make_reader() raises RecordLengthLimitExceeded, of a record that
# is some exabytes long, because it takes what lies at the end for a footer. NonSeekingReader, which needs no
# footer, puts all messages in order before it gives the first one, and raises EndOfFile with an empty text
# before that. Without that order the 722 that were written come first, and then the same error.
# Matters for: robots that lose power while they record. `mcap recover` (a program of its own) makes a whole
# file of it; in Python, read without the order, and keep what came before the error.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check mcap==1.6.0
cd "$folder"
"$folder/venv/bin/python" - 2> log <<'PY' || { cat log; exit 1; }
import io

from mcap.exceptions import EndOfFile, RecordLengthLimitExceeded
from mcap.reader import NonSeekingReader, make_reader
from mcap.writer import CompressionType, Writer

file = io.BytesIO()
writer = Writer(file, chunk_size=4096, compression=CompressionType.ZSTD)
writer.start()
schema = writer.register_schema('Count', 'jsonschema', b'{}')
channel = writer.register_channel('/count', 'json', schema)
for number in range(1000):
    time = number * 1_000_000
    writer.add_message(channel, log_time=time, publish_time=time, data=b'{"n":%d}' % number)
writer.finish()
whole = file.getvalue()
cut = whole[: int(0.7 * len(whole))]


def read(name, messages):
    """How many messages came, and the error that ended them."""
    count = 0
    try:
        for _ in messages:
            count += 1
    except (EndOfFile, RecordLengthLimitExceeded) as error:
        print(f'{name}: {count} messages, then {type(error).__name__}: {error}')
        return count, type(error)
    print(f'{name}: {count} messages')
    return count, None


assert read('whole file', make_reader(io.BytesIO(whole)).iter_messages()) == (1000, None)
assert read('make_reader', make_reader(io.BytesIO(cut)).iter_messages()) == (
    0, RecordLengthLimitExceeded
)
assert read('NonSeekingReader', NonSeekingReader(io.BytesIO(cut)).iter_messages()) == (0, EndOfFile)
unordered = NonSeekingReader(io.BytesIO(cut)).iter_messages(log_time_order=False)
count, error = read('NonSeekingReader, log_time_order=False', unordered)
assert 600 < count < 800 and error is EndOfFile
PY
