"""Benchmarks: claims of speed and of surviving anything, measured rather than asserted.

python -m benchmarks                     all but minilm and throughput, as `make bench` does
python -m benchmarks overhead --runs 50  seconds a run beyond training, beside other ways
python -m benchmarks storm --kills 100   a sweep under random kill -9, compared bit for bit
python -m benchmarks pretraining         a pre-training step beside transformers'
python -m benchmarks positions           a step with each position encoding, beside none
python -m benchmarks corpus              building an epoch of pre-training, batches, tokenising
python -m benchmarks microworld          what a bag of words scores on its tasks
python -m benchmarks minilm --data DIR   real weights on GLUE, beside a plain transformers loop
python -m benchmarks throughput --sweep bert_text --profile gpu --data DIR --minutes 25
                                         what a profile's runs cost on this machine, what fits
python -m benchmarks coverage            how often the statistics' intervals hold the truth
python -m benchmarks collect             seconds to read 10, 100, 1,000 runs from each source
"""

from __future__ import annotations

import argparse
import sys

from experiments.errors import UserError


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", metavar="benchmark")
    overhead = commands.add_parser("overhead", help="seconds a run beyond training")
    overhead.add_argument("--runs", type=int, default=200)
    pretraining = commands.add_parser("pretraining", help="tokens a second beside transformers")
    pretraining.add_argument("--rounds", type=int, default=9)
    positions = commands.add_parser("positions", help="the cost of each position encoding")
    positions.add_argument("--rounds", type=int, default=5)
    coverage = commands.add_parser("coverage", help="how often intervals hold the truth")
    coverage.add_argument("--repetitions", type=int, default=4000)
    corpus = commands.add_parser("corpus", help="an epoch of pre-training, batches, tokenising")
    for name in ("data", "corpus", "vocabulary"):
        corpus.add_argument(f"--{name}", help="to tokenise a corpus, as in the configuration")
    commands.add_parser("microworld", help="what a bag of words scores on microworld's tasks")
    collect = commands.add_parser("collect", help="seconds to read runs from each source")
    collect.add_argument("--sizes", type=int, nargs="+", default=[10, 100, 1000])
    minilm = commands.add_parser("minilm", help="real weights on GLUE beside a plain loop")
    minilm.add_argument("--data", default="data", help="holds glue/MRPC/, glue/SST-2/")
    minilm.add_argument("--task", default="mrpc", choices=["mrpc", "sst2"])
    minilm.add_argument("--train-size", type=int, help="examples (default: all)")
    minilm.add_argument("--loop", choices=["ours", "plain"], help="one alone (default: both)")
    minilm.add_argument("--seeds", type=int, default=3)
    minilm.add_argument("--minutes", type=float, default=600, help="then stop; go on another time")
    minilm.add_argument("--out", default="runs/minilm", help="where it goes on from")
    minilm.add_argument("--dropout", type=float, default=0.1)
    throughput = commands.add_parser("throughput", help="the pre-training that fits a time")
    throughput.add_argument("--sweep", default="bert_text")
    throughput.add_argument("--profile", default="gpu")
    throughput.add_argument("--minutes", type=float, default=25, help="for all runs together")
    throughput.add_argument("--data", default="data", help="where data sets are")
    throughput.add_argument("--steps", type=int, default=20, help="measured of each arm")
    throughput.add_argument("--override", action="append", default=[], metavar="KEY=VALUE")
    commands.add_parser("planning", help="a plan of 1,000 runs, and their status")
    storm = commands.add_parser("storm", help="a sweep under random kill -9")
    storm.add_argument("--kills", type=int, default=100)
    storm.add_argument("--seed", type=int, default=0, help="of the killer")
    options = parser.parse_args(arguments)
    from benchmarks import kill_storm, planning
    from benchmarks import overhead as overhead_benchmark

    if options.command in (None, "overhead"):
        overhead_benchmark.main(runs=getattr(options, "runs", 200))
    if options.command in (None, "pretraining"):
        from benchmarks import pretraining as pretraining_benchmark

        pretraining_benchmark.main(rounds=getattr(options, "rounds", 9))
    if options.command in (None, "positions"):
        from benchmarks import positions as positions_benchmark

        positions_benchmark.main(rounds=getattr(options, "rounds", 5))
    if options.command in (None, "corpus"):
        from benchmarks import corpus as corpus_benchmark

        corpus_benchmark.main(
            data=getattr(options, "data", None),
            corpus=getattr(options, "corpus", None),
            vocabulary=getattr(options, "vocabulary", None),
        )
    if options.command in (None, "microworld"):
        from benchmarks import microworld

        microworld.main()
    if options.command in (None, "planning"):
        planning.main()
    if options.command == "minilm":  # hours: only when asked for
        from benchmarks import minilm as minilm_benchmark

        minilm_benchmark.main(
            data=options.data,
            name=options.task,
            train_size=options.train_size,
            loops=(options.loop,) if options.loop else minilm_benchmark.LOOPS,
            seeds=options.seeds,
            minutes=options.minutes,
            out=options.out,
            dropout=options.dropout,
        )
    if options.command == "throughput":  # needs the sweep's data
        from benchmarks import throughput as throughput_benchmark

        try:
            throughput_benchmark.main(
                sweep=options.sweep,
                profile=options.profile,
                minutes=options.minutes,
                data=options.data,
                steps=options.steps,
                overrides=options.override,
            )
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
    if options.command in (None, "coverage"):
        from benchmarks import coverage as coverage_benchmark

        coverage_benchmark.main(repetitions=getattr(options, "repetitions", 4000))
    if options.command in (None, "collect"):
        from benchmarks import collect as collect_benchmark

        collect_benchmark.main(sizes=tuple(getattr(options, "sizes", (10, 100, 1000))))
    if options.command in (None, "storm"):
        outcome = kill_storm.storm(
            kills=getattr(options, "kills", 100), seed=getattr(options, "seed", 0)
        )
        print(outcome)
        return 0 if outcome.equal else 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
