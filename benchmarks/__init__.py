"""Programs that measure what the documentation quotes; run from a checkout, not installed.

`speed/` measures time, memory and bytes, `accuracy/` how often and how precisely answers are
right, and `learning/` what training computes. `benchmarks/__main__.py` lists them all.
"""
