# COILED memory      8 GiB
# COILED region      us-east-2

import sys
from pathlib import Path


# Process that file
def process(filename):
    words = Path(filename).read_text().split()
    return f"{filename}: {len(words)} words, the longest is {max(words, key=len)}\n"


filename = sys.argv[1]  # or use os.environ["COILED_BATCH_TASK_INPUT"]
result = process(filename)

# Store result
Path("result.txt").write_text(result)
print(result, end="")
