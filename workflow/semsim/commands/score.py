"""Score reconstructions with all metrics of image pairs, including SemSim.

Originals and reconstructions are two folders, or two images. A reconstruction belongs to the original of the same name
in the same subfolder, whatever their suffixes: ORIGINALS/cats/7.png and RECONSTRUCTIONS/cats/7.jpg are a pair. The two
images of a pair must have one size; pairs may differ in size.

The metrics are semsim and those of image pairs, such as psnr and ssim (--metrics list names all). Weights of networks
are never downloaded: lpips needs those of its trunk in torch hub's folder; if they are missing, lpips_random_trunk
takes its place, the same computation with random weights. The output says what the weights of SemSim were trained on.

Mean, quartiles and median of each metric are printed. Values of single pairs go into a table, pictures into a page.
"""

import argparse

from semsim.commandline import positive, share_cores

EXAMPLES = """examples:
  semsim score originals reconstructions
  semsim score originals reconstructions --out scores.csv --report scores.html
  semsim score originals reconstructions --metrics psnr,ssim --out scores.parquet
  semsim score cat.png reconstructed_cat.png
  semsim score originals reconstructions --weights results/mine/semsim --device cuda

The table has one row per pair: name (the path without its suffix) and one column per metric. The page shows the nearest
and the farthest pairs by SemSim, or by the metric of --sort. To compare several models: semsim compare
"""


def add_arguments(parser):
    """Add the arguments of ``semsim score`` to its parser."""
    parser.epilog = EXAMPLES
    parser.add_argument("originals", metavar="ORIGINALS", help="a folder of images, or one image")
    parser.add_argument("reconstructions", metavar="RECONSTRUCTIONS", help="their reconstructions, likewise")
    add_output(parser, "the scores of each pair")
    parser.add_argument("--report", metavar="FILE", help="write a page with histograms and pictures: .html")
    parser.add_argument("--sort", metavar="NAME", help="metric that sorts the page's pictures (semsim if computed)")
    add_measuring(parser)
    parser.set_defaults(carry_out=score)


def add_output(parser, content):
    """Add the option for the output table."""
    parser.add_argument("--out", metavar="FILE", help=f"write {content} as a table: .csv or .parquet")


def add_measuring(parser):
    """Add the options for what is measured, and how."""
    parser.add_argument(
        "--metrics", type=_names, metavar="NAMES", help="only these, such as psnr,ssim,semsim (all available)"
    )
    parser.add_argument(
        "--weights", metavar="FOLDER", help="SemSim's weights: a folder, or those that come with semsim (embedded)"
    )
    parser.add_argument("--skip", action="store_true", help="leave out files that cannot be scored, and list them")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where networks run (auto)")
    parser.add_argument("--batch-size", type=positive, metavar="N", help="pairs at once (256 of 32x32, fewer larger)")


def _names(text):
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise argparse.ArgumentTypeError("give names of metrics, such as psnr,ssim")
    return names


def score(arguments):
    """Score pairs, print the summary, and write the requested files."""
    share_cores()
    from semsim.errors import SemsimError
    from semsim.io.tables import write_table
    from semsim.io.whole import check_output, written_whole
    from semsim.scoring.folders import match_pair, printable
    from semsim.scoring.scores import check_names, score_groups
    from semsim.scoring.summary import summarise, summary_text
    from semsim.text import counted

    check_output(arguments.out, (".csv", ".parquet"))
    check_output(arguments.report, (".html",))
    check_names(arguments.metrics or [])
    if arguments.sort:
        if not arguments.report:
            raise SemsimError("--sort: can only be used with --report.")
        check_names([arguments.sort], "--sort")
    matches = match_pair(arguments.originals, arguments.reconstructions)
    measures, about, device = prepare(arguments)
    names = [measure.name for measure in measures]
    if arguments.sort and arguments.sort not in names:
        raise SemsimError(f"--sort: {arguments.sort} is not computed. Choose one of {', '.join(names)}.")
    unusable = [*matches.incomplete, *matches.unusable]
    scores = score_groups(matches.groups, measures, unusable, arguments.skip, device, arguments.batch_size)
    warn_of(scores, measures)
    html = None
    if arguments.report:
        from semsim.scoring.page import render_page

        sort = arguments.sort or ("semsim" if "semsim" in names else names[0])
        html = render_page(scores, measures, sort, arguments.originals, arguments.reconstructions, about)
    if arguments.out:
        write_table(scores.table, arguments.out)
    if arguments.report:
        with written_whole(arguments.report) as part:
            part.write_text(html, encoding="utf-8")
    originals, reconstructions = printable(arguments.originals), printable(arguments.reconstructions)
    print(f"{counted(len(scores.groups), 'pairs')}: {originals} and {reconstructions}\n")
    print(summary_text(summarise(scores), measures, about))


def prepare(arguments):
    """Prepare the requested metrics, or all that are available.

    Returns
    -------
    measures : list of semsim.scoring.scores.Measure
    about : list of str
        Remarks about their values.
    device : torch.device
    """
    from semsim.errors import SemsimError
    from semsim.scoring.scores import load_measures
    from semsim.targets.device import choose_device

    names = arguments.metrics
    if arguments.weights and names and "semsim" not in names:
        raise SemsimError("--weights: only used by the metric semsim, which --metrics leaves out.")
    device = choose_device(arguments.device)
    return *load_measures(names, arguments.weights, device), device


def warn_of(scores, measures):
    """Print to standard error what was left out, and which metrics lack values."""
    from semsim.scoring.folders import listing
    from semsim.scoring.summary import remarks
    from semsim.text import counted

    if scores.left_out:
        say(f"left out {counted(len(scores.left_out), 'files')}: {listing(scores.left_out)}.")
    for remark in remarks(scores, measures):
        say(remark)


def say(sentence):
    """Write a sentence to standard error."""
    import sys

    print(sentence, file=sys.stderr)
