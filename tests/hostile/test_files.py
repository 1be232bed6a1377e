"""Files from strangers: nothing in them may run, crash, hang or fill the memory."""

import pickle
import pickletools
import subprocess
import sys

import numpy as np

READ_ALL = """
import resource, sys
from pathlib import Path
from semsim.errors import SemsimError
from semsim.io.pickles import load_arrays, load_builtins

if sys.platform == "linux":
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + 64 * 2**20, resource.RLIM_INFINITY))
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
read = refused = 0
for path in Path(sys.argv[1]).iterdir():
    for load in (load_builtins, lambda path: load_arrays(path.read_bytes(), path)):
        try:
            load(path)
            read += 1
        except SemsimError:
            refused += 1
print(read, refused)
"""
"""Whatever else is raised ends it, even a lack of memory."""


def mutants(number):
    """Pickles with a few bytes exchanged, inserted, repeated or cut out; many are still read in part."""
    random = np.random.default_rng(1)
    table = {"a": np.arange(30, dtype=np.uint8).reshape(5, 6), "b": [1, 2.5, "c", (None, True)], "d": {"e": {1, 2}}}
    seeds = [pickle.dumps(table, protocol) for protocol in (3, 4)]
    seeds += [pickle.dumps({**table, "a": 3, "d": None}, protocol) for protocol in range(5)]
    instructions = [code.code.encode("latin-1") for code in pickletools.opcodes]
    for _ in range(number):
        content = bytearray(seeds[random.integers(len(seeds))])
        for _ in range(random.integers(1, 3)):
            start, length = random.integers(len(content)), random.integers(1, 9)
            new = [
                random.bytes(length),
                b"".join(random.choice(instructions, length)),
                bytes(content[start : start + length]) * random.integers(2, 100),
                b"\xff\xff\xff\x7f",
                b"",
            ][random.integers(5)]
            content[start : start + random.integers(0, length + 1)] = new
        yield bytes(content)


def test_no_mutated_pickle_crashes_or_takes_memory(tmp_path):
    for number, content in enumerate(mutants(1000)):
        (tmp_path / str(number)).write_bytes(content)
    done = subprocess.run([sys.executable, "-c", READ_ALL, tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    read, refused = map(int, done.stdout.split())
    assert read + refused == 2000 and min(read, refused) > 100, "if none or all are read, little is shown"
