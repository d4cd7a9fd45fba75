"""Many threads that read a struct for the first time at one moment."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# With a switch of threads wherever there can be one: without `learned` this ends in a segmentation fault.
SCRIPT = """
import sys, threading
from pathlib import Path
from carbon_credit.catalogue.programme import ProfileFile
from carbon_credit.methodology.document import convert, read_document

sys.setswitchinterval(1e-6)
document = read_document(Path("methodologies/programmes/gd-sz.yaml").read_bytes(), file="profile")
gate, read = threading.Barrier(16), []

def run():
    gate.wait()
    read.append(convert(document, ProfileFile))

threads = [threading.Thread(target=run) for _ in range(16)]
for one in threads:
    one.start()
for one in threads:
    one.join()
print(len(read), all(one == read[0] for one in read))
"""


def test_threads_that_meet_a_struct_at_once_all_read_it() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert (ran.returncode, ran.stdout) == (0, "16 True\n"), ran.stderr
