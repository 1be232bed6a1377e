"""Score reconstructions with all metrics of image pairs, including SemSim.

Originals and reconstructions are two folders, or two images. A reconstruction is paired with the original of the same
name in the same subfolder, whatever their suffixes: ORIGINALS/cats/7.png and RECONSTRUCTIONS/cats/7.jpg are a pair. If
most reconstructions are nearer to another original than to their own, a warning says so. An attack on a batch returns
its images in any order: --match pairs them by similarity, ignoring their names, with an optimal assignment of
thumbnails (up to 2,000 images). The two images of a pair must have the same size, unless --resize is given; pairs may
differ in size.

The metrics are semsim, chance and those of image pairs, such as psnr, ssim and lpips; others, such as lpips_vgg and
dists, are computed if listed in --metrics. The networks of these three are not downloaded here: run semsim fetch first.
Without AlexNet, lpips_random_trunk replaces lpips: the same computation with random weights. The output says on what
the weights of SemSim were trained, and how far apart different originals are by SemSim.

chance is the probability that an annotator recognises the reconstruction, given its distance and the difficulty of the
original. The output gives the expected number of recognised images, with an interval, and warns if images are unlike
those on which chances were calibrated. For images of 32 pixels, it also estimates from PSNR how many of them people
would recognise.

The mean, quartiles and median of each metric are printed. Values of single pairs go into a table, pictures into a page.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from semsim.commandline import path, positive, say, share_cores

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    import torch

    from semsim.scoring.folders import Matches
    from semsim.scoring.measures import Measure
    from semsim.scoring.scores import Scores

EXAMPLES = """examples:
  semsim score originals reconstructions
  semsim score originals reconstructions --out scores.csv --report scores.html
  semsim score originals reconstructions --metrics psnr,ssim --out scores.parquet
  semsim score cat.png reconstructed_cat.png
  semsim score originals reconstructions --weights results/mine/semsim --device cuda
  semsim score originals batch --match --resize --pretrained ~/weights

The table has one row per pair: name (the path without its suffix) and one column per metric; with --match also the
reconstruction's name. In CSV, a name that a spreadsheet would read as a formula or as missing begins with an
apostrophe; Parquet keeps names as they are. The page shows the nearest and the farthest pairs by SemSim, or by the
metric of --sort. To compare several models: semsim compare
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``semsim score`` to its parser."""
    parser.epilog = EXAMPLES
    parser.add_argument("originals", type=path, metavar="ORIGINALS", help="a folder of images, or one image")
    parser.add_argument("reconstructions", type=path, metavar="RECONSTRUCTIONS", help="their reconstructions, likewise")
    add_output(parser, "the scores of each pair")
    parser.add_argument("--report", type=path, metavar="FILE", help="write a page with histograms and pictures: .html")
    parser.add_argument("--sort", metavar="NAME", help="metric that sorts the page's pictures (semsim if computed)")
    add_measuring(parser)
    parser.set_defaults(carry_out=score)


def add_output(parser: argparse.ArgumentParser, content: str) -> None:
    """Add the option for the output table."""
    parser.add_argument("--out", type=path, metavar="FILE", help=f"write {content} as a table: .csv or .parquet")


def add_measuring(parser: argparse.ArgumentParser) -> None:
    """Add the options for what is measured, and how."""
    parser.add_argument(
        "--metrics",
        type=_names,
        metavar="NAMES",
        help="only these, such as psnr,ssim,semsim (all fast ones; an unknown name lists all)",
    )
    parser.add_argument(
        "--weights",
        type=path,
        metavar="FOLDER",
        help="SemSim's weights: a folder, or the bundled ones (embedded)",
    )
    parser.add_argument(
        "--pretrained", type=path, metavar="FOLDER", help="folder to search first for the weights of LPIPS and DISTS"
    )
    parser.add_argument("--match", action="store_true", help="pair by similarity, not by name, and say so")
    parser.add_argument("--resize", action="store_true", help="resize reconstructions to their originals' sizes")
    parser.add_argument("--skip", action="store_true", help="skip files that cannot be scored, and list them")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where networks run (auto)")
    parser.add_argument(
        "--batch-size", type=positive, metavar="N", help="pairs at once (256 at 32x32, fewer if larger)"
    )


def _names(text):
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise argparse.ArgumentTypeError("give names of metrics, such as psnr,ssim")
    return names


def score(arguments: argparse.Namespace) -> None:
    """Score pairs, print the summary, and write the requested files."""
    share_cores()
    from semsim.io.tables import write_for_people
    from semsim.io.whole import write_text
    from semsim.names import printable
    from semsim.scoring.chances import basis, chance_sentences, doubts
    from semsim.scoring.folders import match_pair
    from semsim.scoring.matching import about_matches
    from semsim.scoring.scores import score_groups
    from semsim.scoring.summary import answer_text, summarise, summary_columns
    from semsim.scoring.yardstick import yardstick
    from semsim.text import counted, text_table

    check_score(arguments)
    matches = match_pair(arguments.originals, arguments.reconstructions, matching(arguments))
    measures, about, device = prepare(arguments)
    sort = sorting_metric(arguments.sort, [measure.name for measure in measures])
    unusable = [*matches.incomplete, *matches.unusable]
    options = {"batch_size": arguments.batch_size, "resize": arguments.resize}
    scores = score_groups(matches.groups, measures, unusable, arguments.skip, device, **options)
    doubtful = doubts(measures, scores.originals)
    warn_of(scores, measures, ["reconstructions"], doubtful)
    values = {name: columns[:, 0] for name, columns in scores.values.items()}
    answers = chance_sentences(values, measures, scores.originals)
    notes = [*yardstick(scores.originals, measures, device), *basis(measures, scores.originals), *about]
    if arguments.match and len(scores.groups) > 1:
        notes.insert(0, about_matches(scores.groups))
    if arguments.report:
        from semsim.scoring.page import render_page

        html = render_page(
            scores, measures, sort, arguments.originals, arguments.reconstructions, [*doubtful, *answers, *notes]
        )
    table = scores.matched_table if arguments.match else scores.table
    if arguments.out:
        write_for_people(table, arguments.out)
    if arguments.report:
        write_text(html, arguments.report)
    folders = f"{printable(arguments.originals)} and {printable(arguments.reconstructions)}"
    print(f"{counted(len(scores.groups), 'pairs')}: {folders}\n")
    print(answer_text(text_table(summary_columns(summarise(scores), measures)), answers, notes))
    print_written(arguments.out, len(table), arguments.report)


def print_written(out: str | os.PathLike | None, rows: int, report: str | os.PathLike | None = None) -> None:
    """Print which files were written, and how many rows the table has."""
    from semsim.names import printable
    from semsim.text import counted, listed

    table = [f"{printable(out)} ({counted(rows, 'rows')})"] if out else []
    if files := [*table, *([printable(report)] if report else [])]:
        print(f"\nWritten: {listed(files)}")


def check_score(arguments: argparse.Namespace) -> None:
    """Refuse, before any work is done, what cannot be written or named."""
    from semsim.errors import SemsimError
    from semsim.io.whole import check_output
    from semsim.scoring.measures import check_names

    check_output(arguments.out, (".csv", ".parquet"))
    check_output(arguments.report, (".html",))
    check_names(arguments.metrics or [])
    if arguments.sort:
        if not arguments.report:
            raise SemsimError("--sort: can only be used with --report.")
        check_names([arguments.sort], "--sort")


def matching(arguments: argparse.Namespace) -> Callable[..., Matches]:
    """Return the function that matches folders, by name or by similarity."""
    from semsim.scoring.folders import match_folders
    from semsim.scoring.matching import match_by_likeness

    return match_by_likeness if arguments.match else match_folders


def sorting_metric(asked: str | None, names: Sequence[str]) -> str:
    """Return the metric that sorts the page: the one that was asked for, or SemSim, or the first one."""
    from semsim.errors import SemsimError

    if asked and asked not in names:
        raise SemsimError(f"--sort: {asked} is not computed. Choose one of {', '.join(names)}.")
    return asked or ("semsim" if "semsim" in names else names[0])


def prepare(arguments: argparse.Namespace) -> tuple[list[Measure], list[str], torch.device]:
    """Prepare the requested metrics, or all that are available.

    Returns
    -------
    measures : list of semsim.scoring.measures.Measure
    about : list of str
        Remarks about their values.
    device : torch.device
    """
    from semsim.errors import SemsimError
    from semsim.metrics import extra_metrics
    from semsim.scoring.measures import load_measures
    from semsim.targets.device import choose_device

    names = arguments.metrics
    if arguments.weights and names and not {"semsim", "chance"} & {*names}:
        raise SemsimError("--weights: only used by the metrics semsim and chance, which --metrics leaves out.")
    device = choose_device(arguments.device)
    measures, about = load_measures(names, arguments.weights, device, arguments.pretrained)
    if names is None:
        about.append(f"More metrics, if listed in --metrics: {', '.join(extra_metrics())}.")
    return measures, about, device


def warn_of(scores: Scores, measures: Sequence[Measure], sets: Sequence[str], doubts: Sequence[str] = ()) -> None:
    """Print to standard error what was left out or resized, which metrics lack values, and which pairs look wrong.

    `sets` are what reconstructions are called, set by set; `doubts` are further warnings.
    """
    from semsim.scoring.folders import listing
    from semsim.scoring.likeness import doubt
    from semsim.scoring.summary import remarks
    from semsim.text import counted

    originals = scores.thumbnails[:, 0]
    for place, name in enumerate(sets, start=1):
        if sentence := doubt(originals, scores.thumbnails[:, place], name, "--match pairs them by similarity"):
            say(f"warning: {sentence}")
    for sentence in doubts:
        say(f"warning: {sentence}")
    if scores.resized:
        say(f"resized {counted(scores.resized, 'reconstructions')} to their originals' sizes.")
    if scores.left_out:
        say(f"left out {counted(len(scores.left_out), 'files')}: {listing(scores.left_out)}.")
    for remark in remarks(scores, measures):
        say(remark)
