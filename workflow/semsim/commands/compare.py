"""Rank sets of reconstructions by how much they leak.

Each set is a folder of reconstructions of the same originals, by one model or defence each; its name is that of the
folder, or given as NAME=FOLDER. Names pair reconstructions with originals as in `semsim score`. Only originals that
every set has are compared; the others are listed. A warning says where most reconstructions of a set are nearer to
another original than to their own; --match pairs them by similarity, separately for each set.

For each metric the sets are ranked by their means, the one that leaks most first, with 95 % intervals from a bootstrap
over originals, with the same resamples for all sets. Below the ranks, each set is compared with the next one, with the
p value of no difference, corrected over the differences of the metric by Holm's method. The p value is the share of
sign flips of the originals' differences that give at least as large a mean: of all sign flips for up to 14 originals,
otherwise of --resamples random ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from semsim.commandline import path, resamples, say, share_cores
from semsim.commands.score import add_measuring, add_output, matching, prepare, print_written, warn_of

if TYPE_CHECKING:
    import argparse

EXAMPLES = """examples:
  semsim compare originals lenet resnet vit
  semsim compare originals plain=runs/1/images noise=runs/2/images --out comparison.csv
  semsim compare originals plain noise --metrics ssim,semsim --weights results/mine/semsim

The table has one row per metric and set: rank, mean, its interval, and the difference from the next set.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``semsim compare`` to its parser."""
    parser.epilog = EXAMPLES
    parser.add_argument("originals", type=path, metavar="ORIGINALS", help="a folder of images")
    parser.add_argument(
        "sets", type=path, metavar="SET", nargs="+", help="a folder of their reconstructions, or NAME=FOLDER"
    )
    add_output(parser, "ranks, means and differences")
    add_measuring(parser)
    parser.add_argument("--resamples", type=resamples, default=2000, metavar="N", help="bootstrap resamples (2000)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the resamples (1)")
    parser.set_defaults(carry_out=compare)


def compare(arguments: argparse.Namespace) -> None:
    """Compare sets, print their ranks, and write the table if it was asked for."""
    share_cores()
    from semsim.io.tables import write_for_people
    from semsim.names import printable
    from semsim.scoring.chances import basis, chance_sentences, doubts
    from semsim.scoring.comparison import compare_sets, comparison_text
    from semsim.scoring.folders import listing, name_sets
    from semsim.scoring.matching import about_matches
    from semsim.scoring.scores import score_groups
    from semsim.scoring.summary import answer_text
    from semsim.text import counted

    check_compare(arguments)
    folders = name_sets(arguments.sets)
    matches = matching(arguments)(arguments.originals, folders.values())
    measures, about, device = prepare(arguments)
    options = {"batch_size": arguments.batch_size, "resize": arguments.resize}
    scores = score_groups(matches.groups, measures, matches.unusable, arguments.skip, device, **options)
    if matches.incomplete:
        say(f"{counted(len(matches.incomplete), 'originals')} not in all sets: {listing(matches.incomplete)}.")
    originals = scores.originals
    named = [f"reconstructions of {printable(name)}" for name in folders]
    warn_of(scores, measures, named, doubts(measures, originals))
    answers = []
    for place, name in enumerate(folders):
        values = {metric: columns[:, place] for metric, columns in scores.values.items()}
        answers += [f"{printable(name)}: {sentence}" for sentence in chance_sentences(values, measures, originals)]
    notes = [*basis(measures, originals), *about]
    if arguments.match:
        notes.insert(0, about_matches(scores.groups))
    scales = {measure.name: measure.scale for measure in measures}
    table = compare_sets(scores.values, list(folders), scales, arguments.resamples, arguments.seed)
    if arguments.out:
        write_for_people(table, arguments.out)
    images = f"{counted(len(scores.groups), 'images')} from {printable(arguments.originals)}"
    print(f"{images}, each in {len(folders)} sets\n")
    print(answer_text(comparison_text(table, scales), answers, notes))
    print_written(arguments.out, len(table))


def check_compare(arguments: argparse.Namespace) -> None:
    """Refuse, before any work is done, what cannot be written or named."""
    from semsim.errors import SemsimError
    from semsim.io.whole import check_output
    from semsim.scoring.measures import check_names

    check_output(arguments.out, (".csv", ".parquet"))
    check_names(arguments.metrics or [])
    if arguments.seed < 0:
        raise SemsimError("--seed: must not be negative.")
