"""What every benchmark shares: where clips lie, what machine this is, the table, the JSON beside it."""

import json
import os
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path

import stablevideo  # noqa: F401 isort: skip (before torch: it sets how torch's threads wait)
import torch

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "results"
REAL = ROOT.parent / "shared" / "data"


def clip_folders():
    """The sample, and the real clip where it lies beside the project."""
    return [folder for folder in (ROOT / "data" / "sample", REAL / "bear") if (folder / "checkpoint").is_file()]


def hardware():
    facts = {"cpu": platform.processor() or platform.machine(), "cores": os.cpu_count(), "torch": torch.__version__}
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []:
        if line.startswith("model name"):
            facts["cpu"] = line.split(":")[1].strip()
    if torch.cuda.is_available():
        facts["gpu"] = torch.cuda.get_device_name()
    facts["load_average"] = round(os.getloadavg()[0], 2)
    return facts


def report(subject, rows):
    """Print rows (dicts with the same keys) as a table and keep them with the hardware they ran on."""
    columns = list(rows[0])
    cells = [[str(row[name]) for name in columns] for row in rows]
    widths = [max(len(text) for text in column) for column in zip(columns, *cells, strict=True)]
    for line in [columns, *cells]:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)))
    RESULTS.mkdir(exist_ok=True)
    record = {"subject": subject, "date": time.strftime("%Y-%m-%d"), "hardware": hardware(), "rows": rows}
    (RESULTS / f"{subject}.json").write_text(json.dumps(record, indent=1) + "\n")


def timed(function, *arguments, repeats=3):
    """The median time of a call in seconds, after one call to warm up, and the last result."""
    function(*arguments)
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        result = function(*arguments)
        times.append(time.perf_counter() - begin)
    return sorted(times)[len(times) // 2], result


def peak_mb():
    """The most memory this process has held, in MB.

    From /proc where there is one: getrusage's figure is inherited, so a small child reports its parent's peak.
    """
    status = Path("/proc/self/status")
    if status.exists():
        return int(next(line for line in status.read_text().splitlines() if line.startswith("VmHWM")).split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)


def in_fresh_process(code, **environment):
    """Run Python code that prints one JSON object last, in a process of its own -> the object."""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])
