"""`python -m benchmarks`: runs benchmarks by name, writes JSON, prints Markdown."""

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from benchmarks import (
    diagnose,
    draws,
    evidence,
    imports,
    machine,
    memory,
    monitor,
    monitor_logs,
    monitor_memory,
    orthogonal,
    structured,
    trainability,
)
from benchmarks.settings import QUICK, Settings

# To add a benchmark: a module with `measure` and `tables`, and its line here.
BENCHMARKS: dict[str, ModuleType] = {
    "draws": draws,
    "orthogonal": orthogonal,
    "structured": structured,
    "memory": memory,
    "monitor": monitor,
    "monitor_logs": monitor_logs,
    "monitor_memory": monitor_memory,
    "imports": imports,
    "diagnose": diagnose,
    "evidence": evidence,
    "trainability": trainability,
}


def main(arguments: list[str]) -> None:
    options = _parse(arguments)
    settings = QUICK if options.quick else Settings()
    if options.rounds:
        settings = replace(settings, rounds=options.rounds)
    facts = machine.describe(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    print(machine.headline(facts), flush=True)
    for name in options.names or BENCHMARKS:
        start = time.perf_counter()
        measured = BENCHMARKS[name].measure(settings)
        path = options.out / f"{name}.json"
        path.write_text(json.dumps({"machine": facts, "measured": measured}, indent=1))
        for table in BENCHMARKS[name].tables(measured):
            print(f"\n{table.markdown()}", flush=True)
        took = time.perf_counter() - start
        print(f"{name}: {took:.0f} s, written to {path}", file=sys.stderr)


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; or all"
    )
    parser.add_argument(
        "--quick", action="store_true", help="small sizes and few rounds"
    )
    parser.add_argument(
        "--rounds", type=int, metavar="N", help="measurements of each call, at most"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs/bench"), help="folder of the JSON files"
    )
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark {unknown[0]!r}; there are {', '.join(BENCHMARKS)}")
    return options


if __name__ == "__main__":
    main(sys.argv[1:])
