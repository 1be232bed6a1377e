"""Collect labels: ask people what they see in reconstructions.

A campaign is a folder in annotations/ with images, a question and the answers. From beginning to end:

  semsim label new pilot --study demo --per-attack 10      create annotations/pilot
  semsim label serve pilot                                 open the printed address in a browser
  semsim label status pilot                                progress, and how carefully annotators work
  semsim label export pilot                                write annotations/pilot/labels.csv

Then `labels: annotations/pilot` in a study's settings uses these labels. With remote annotators:

  semsim label invite pilot --count 20 --url https://label.example.org
  semsim label serve pilot --public                        behind a web server with TLS

Without the page, for instance for a vision-language model:

  semsim label sheets pilot ann --out ann                  numbered sheets of pictures, and a table for answers
  semsim label enter pilot ann ann/answers.csv             store the answers
  semsim label compare pilot --study demo                  do they see what the study's annotators see?

With labels that were given elsewhere, by a panel, with another tool or by models:

  semsim label import images.csv labels.csv --name clip    make annotations/clip, with or without the pictures
  semsim label measure clip                                agreement, recognition, faithfulness of given metrics

annotations/README.md has more: texts, panels such as Prolific, and what is stored.
"""

from __future__ import annotations

import argparse
from functools import partial

from semsim.commandline import positive, resamples
from semsim.text import ANNOTATORS, counted

EXAMPLES = {
    "new": """examples:
  semsim label new pilot --study demo --per-attack 10 --per-annotator 100
  semsim label new glyphs --study demo --datasets glyphs --labels-per-image 3
  semsim label new spot-check --study demo --per-rate 7 --labels-per-image 1 --kind vision-language-model
  semsim label new photos --images my_pictures --checks clear_pictures

Then read and edit campaign.yaml, consent.txt, instructions.txt and CARD.md in the campaign's folder.
""",
    "serve": """examples:
  semsim label serve pilot
  semsim label serve pilot --public --port 8000 --url https://label.example.org --proxy 127.0.0.1

Stop it with Ctrl-C. Every answer that the page has accepted is on disk, no matter how the server ends.
""",
    "invite": """examples:
  semsim label invite pilot ann ben
  semsim label invite pilot --count 20 --url https://label.example.org > links.tsv

A known name keeps its link. Anyone with a link can answer under that name: send each to one person only.
""",
    "sheets": """example:
  semsim label sheets pilot ann --out ann

Fill in ann/answers.csv: a class, or ? for "can't tell". By taking sheets, annotators agree to take part: show them
consent.txt and instructions.txt first.
""",
    "enter": """example:
  semsim label enter pilot ann ann/answers.csv

The last answers may be missing: enter the table again when there are more.
""",
    "compare": """example:
  semsim label compare spot-check --study demo

Writes tables/compared.csv: how often the majorities agree on whether a reconstruction is recognised. The report of the
study quotes this with its pictures.
""",
    "import": """examples:
  semsim label import images.csv labels.csv --name panel --kind human
  semsim label import images.csv labels.csv --name clip --kind vision-language-model --forced-choice
  semsim label import images.csv labels.csv --name panel --kind human --metrics metrics.csv --lower-is-better vif_loss

images.csv: image, label (the number of the true class, or nothing) and, where they apply, dataset, target, attack and
original. labels.csv: image, annotator, label (a number, -1 for "can't tell", or na for no answer) and, where they are
known, kind, seconds and given_at. metrics.csv: image, or dataset, target, attack and original, and a column per metric.
The campaign has a copy of everything that it needs: the files may be deleted.
""",
    "measure": """example:
  semsim label measure pilot

Writes into tables/ of the campaign, in the format of a study: recognition.csv, agreement.csv, ceiling.csv and, if
metrics were imported, faithfulness.csv, faithfulness_differences.csv and contradictions.csv.
""",
    "status": """examples:
  semsim label status pilot
  semsim label status pilot --participant 5f3c9a7e
""",
    "export": """example:
  semsim label export pilot

labels.csv has every label once, in the format of annotations/README.md; controls.csv has the answers to attention
checks and repeats. Export as often as you like, even while the server is running.
""",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the commands ``semsim label ...`` to a parser."""
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(name, carry_out, summary):
        command = commands.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            epilog=EXAMPLES[name],
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name != "import":
            command.add_argument("campaign", metavar="CAMPAIGN", help="a folder, or the name of one in annotations/")
        command.set_defaults(carry_out=carry_out)
        return command

    _add_new(add("new", make, "create a campaign from a study's reconstructions or a folder of images"))
    _add_serve(add("serve", serve, "serve a campaign as a page on this machine"))
    command = add("invite", invite, "create links for remote annotators")
    command.add_argument("names", nargs="*", metavar="NAME", help="pseudonyms of annotators")
    up_to = partial(positive, most=10_000)
    command.add_argument("--count", type=up_to, default=0, metavar="N", help="invite N annotators with random names")
    _add_url(command)
    command = add("status", show_status, "show progress, and how carefully annotators work")
    command.add_argument("--participant", metavar="ID", help="only show which annotator a panel's participant is")
    add("export", export, "write labels.csv and controls.csv")
    command = add("sheets", write_sheets, "write an annotator's pictures to sheets, for labelling without the page")
    command.add_argument("name", metavar="NAME", help="pseudonym of the annotator")
    command.add_argument("--out", required=True, metavar="FOLDER", help="a new folder for sheets and answers.csv")
    command = add("enter", enter_answers, "store answers that were given on sheets")
    command.add_argument("name", metavar="NAME", help="pseudonym of the annotator")
    command.add_argument("answers", metavar="ANSWERS.csv", help="the table that came with the sheets, filled in")
    command = add("compare", compare, "compare with a study's labels of the same reconstructions")
    command.add_argument("--study", required=True, help="its name, or the folder of its results")
    _add_import(add("import", import_labels, "create a campaign from labels that were given elsewhere"))
    command = add("measure", measure, "measure agreement, recognition and, if there are metrics, faithfulness")
    command.add_argument("--resamples", type=resamples, default=10_000, metavar="N", help="for the intervals (10,000)")
    command.add_argument("--seed", type=int, default=1, help="seed of the resamples (1)")


def _add_import(command):
    command.add_argument("images", metavar="IMAGES.csv", help="what was shown: image, label and more")
    command.add_argument("labels", metavar="LABELS.csv", help="what was answered: image, annotator, label and more")
    command.add_argument("--name", required=True, metavar="CAMPAIGN", help="the campaign's folder, or its name there")
    command.add_argument("--kind", choices=ANNOTATORS, help="what the annotators are, if no column kind says so")
    command.add_argument("--classes", metavar="FILE", help="class names, one per line (their numbers)")
    command.add_argument("--forced-choice", action="store_true", help="annotators had to name a class: -1 is an error")
    command.add_argument(
        "--images", dest="pictures", metavar="FOLDER", help="the images, under the names in IMAGES.csv"
    )
    command.add_argument("--metrics", metavar="METRICS.csv", help="metrics of the images, computed elsewhere")
    for way in ("higher", "lower"):
        command.add_argument(
            f"--{way}-is-better",
            nargs="+",
            default=[],
            metavar="METRIC",
            help=f"metrics unknown to semsim, whose {way} values mean a better reconstruction",
        )


def _add_new(command):
    source = command.add_mutually_exclusive_group(required=True)
    source.add_argument("--study", help="take reconstructions of this study: its name, or the folder of its results")
    source.add_argument("--images", metavar="FOLDER", help="take any images: <class>/<image>, or <image> alone")
    command.add_argument(
        "--per-attack",
        type=positive,
        metavar="N",
        help="reconstructions per data set, target model and attack, using originals equally often (all); with"
        " --images, how many images",
    )
    command.add_argument(
        "--per-rate",
        type=positive,
        metavar="N",
        help="with --study, instead of --per-attack: reconstructions per data set and recognition rate in the study",
    )
    for plural in ("datasets", "targets", "attacks"):
        command.add_argument(f"--{plural}", nargs="+", metavar="NAME", help=f"only these {plural} of the study")
    command.add_argument("--classes", metavar="FILE", help="with --images: class names, one per line (the folders)")
    command.add_argument("--checks", metavar="FOLDER", help="with --images: clear images for checks, <class>/<image>")
    command.add_argument("--labels-per-image", type=positive, default=5, metavar="K", help="annotators per image (5)")
    command.add_argument("--per-annotator", type=positive, metavar="N", help="images per annotator (all)")
    command.add_argument("--forced-choice", action="store_true", help="annotators must name a class")
    command.add_argument("--kind", choices=ANNOTATORS, default="human", help="what the annotators are (human)")
    command.add_argument("--seed", type=int, default=1, help="seed of every random choice (1)")


def _add_serve(command):
    command.add_argument(
        "--public", action="store_true", help="admit only people with a link, from `invite` or from a panel"
    )
    command.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1); others need --public")
    command.add_argument("--port", type=_port, default=8765, help="port to listen on (8765); 0 takes a free one")
    command.add_argument(
        "--proxy",
        action="append",
        type=_network,
        default=[],
        metavar="ADDRESS",
        help="with --public: trust the X-Forwarded-For header of this web server, which must overwrite it (none is"
        " trusted); may be given several times",
    )
    _add_url(command)


def _add_url(command):
    command.add_argument("--url", help="address under which annotators reach the server (http://127.0.0.1:8765)")


def _port(text):
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port, 0 to 65535")
    return int(text)


def _network(text):
    from ipaddress import ip_network

    try:
        return str(ip_network(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"not an address such as 127.0.0.1 or 172.17.0.0/16: {error}") from None


def make(arguments: argparse.Namespace) -> None:
    """Make a campaign."""
    from semsim.labelling.campaign import as_argument, campaign_folder
    from semsim.labelling.making import make_campaign

    folder = campaign_folder(arguments.campaign)
    _check_new(arguments)
    campaign = make_campaign(
        folder,
        _material_of(arguments),
        labels_per_image=arguments.labels_per_image,
        images_per_annotator=arguments.per_annotator,
        forced_choice=arguments.forced_choice,
        kind=arguments.kind,
        seed=arguments.seed,
    )
    needed = -(-len(campaign.images) * arguments.labels_per_image // campaign.images_each)
    images, checks = counted(len(campaign.images), "images"), counted(len(campaign.checks), "clear ones")
    print(f"{folder}: {images}, {checks} for attention checks.")
    people, each = counted(needed, "annotators"), counted(campaign.images_each, "images")
    print(f"{people} with {each} {'gives' if needed == 1 else 'each give'} every image its labels.")
    if campaign.checks.empty:
        print("There are no clear images, so there will be no attention checks.")
    then = f"semsim label serve {as_argument(folder)}"
    print(f"Read campaign.yaml, consent.txt, instructions.txt and CARD.md there, then: {then}")


def _check_new(arguments):
    """Refuse options of ``semsim label new`` that do not go together."""
    from semsim.errors import SemsimError

    if arguments.seed < 0:
        raise SemsimError("--seed: must not be negative.")
    of_folder = {"--classes": arguments.classes, "--checks": arguments.checks}
    of_study = {"--per-rate": arguments.per_rate} | {f"--{key}s": names for key, names in _only(arguments).items()}
    given = [option for option, value in (of_folder if arguments.study else of_study).items() if value]
    if given:
        raise SemsimError(f"{given[0]}: only with {'--images' if arguments.study else '--study'}.")
    if arguments.per_rate and arguments.per_attack:
        raise SemsimError("--per-rate: replaces --per-attack. Give one of them.")


def _material_of(arguments):
    """Return what a new campaign is made of."""
    from semsim.labelling.material import from_folder, from_study

    if arguments.study:
        results = _results_of(arguments.study)
        return from_study(results, arguments.per_attack, arguments.seed, _only(arguments), arguments.per_rate)
    return from_folder(arguments.images, arguments.seed, arguments.per_attack, arguments.classes, arguments.checks)


def _only(arguments):
    """Return to which reconstructions of a study the options restrict a new campaign."""
    return {"dataset": arguments.datasets, "target": arguments.targets, "attack": arguments.attacks}


def _results_of(study):
    """Return the folder of a study's results, given that or its name."""
    from pathlib import Path

    path = Path(study)
    return path if len(path.parts) > 1 else Path("results") / path


def serve(arguments: argparse.Namespace) -> None:
    """Serve a campaign until it is stopped."""
    from semsim.labelling import server
    from semsim.labelling.campaign import as_argument
    from semsim.labelling.store import Store

    campaign = _campaign_to_serve(arguments.campaign)
    store = Store(campaign)

    def announce(address):
        url = (arguments.url or address).rstrip("/")
        print(f"Serving {campaign.folder} at {url}/ (Ctrl-C stops it; every answer is kept).", flush=True)
        if arguments.public:
            invite = f"semsim label invite {as_argument(campaign.folder)} --count N --url {url}"
            print(f"Links of annotators: {invite}", flush=True)
            if panel := campaign.settings.panel:
                signed = "&signature=SIGNATURE" if panel.signed else ""
                print(f"Link for the panel: {url}/p/{store.links.panel_key}?{panel.parameter}=ID{signed}", flush=True)
                if panel.signed:
                    print(f"Key of the signatures, HMAC-SHA256 of the ID: {store.links.signing_key}", flush=True)

    server.serve(campaign, store, arguments.host, arguments.port, arguments.public, announce, arguments.proxy)


def _campaign_to_serve(name):
    """Read a campaign that asks for labels, and refuse one that was made of labels."""
    from semsim.errors import SemsimError
    from semsim.labelling.campaign import campaign_folder, has_labels_from_elsewhere, read_campaign_folder

    folder = campaign_folder(name)
    if has_labels_from_elsewhere(folder):
        raise SemsimError(
            f"{folder}: has labels from elsewhere, which answers given here would replace. Create a new campaign with:"
            " semsim label new"
        )
    return read_campaign_folder(folder)


def invite(arguments: argparse.Namespace) -> None:
    """Print the names and links of annotators, tab-separated."""
    from contextlib import closing

    from semsim.errors import SemsimError
    from semsim.labelling.store import Refused, Store

    if not arguments.names and not arguments.count:
        raise SemsimError("Give the names of annotators, or --count N for random ones.")
    url = (arguments.url or "http://127.0.0.1:8765").rstrip("/")
    campaign = _campaign_to_serve(arguments.campaign)
    with closing(Store(campaign)) as store:
        try:
            with store.transaction():
                invited = [store.invite(name) for name in [*arguments.names, *[None] * arguments.count]]
        except Refused as refusal:
            raise SemsimError(str(refusal)) from None
    for name, token in invited:
        print(f"{name}\t{url}/a/{token}/")


def show_status(arguments: argparse.Namespace) -> None:
    """Print who has done how much."""
    from semsim.labelling.campaign import campaign_folder, read_results_folder
    from semsim.labelling.results import describe_annotators, describe_datasets, read_answers
    from semsim.labelling.status import status_text

    campaign = read_results_folder(campaign_folder(arguments.campaign))
    if arguments.participant:
        print(_name_of_participant(campaign, arguments.participant))
        return
    items, annotators = read_answers(campaign)
    about = describe_annotators(items, annotators, campaign.checks)
    print(status_text(campaign, describe_datasets(items, campaign), about))


def _name_of_participant(campaign, participant):
    from contextlib import closing

    from semsim.errors import SemsimError
    from semsim.labelling.store import Store

    name = None
    if campaign.database.is_file():
        with closing(Store(campaign)) as store:
            name = store.name_of_participant(participant)
    if name is None:
        raise SemsimError(f"--participant {participant}: no participant has this ID.")
    return name


def import_labels(arguments: argparse.Namespace) -> None:
    """Make a campaign of labels from elsewhere."""
    from semsim.labelling.campaign import as_argument, campaign_folder
    from semsim.labelling.importing import Elsewhere, import_campaign
    from semsim.labelling.results import read_answers

    ups, downs = arguments.higher_is_better, arguments.lower_is_better
    campaign = import_campaign(
        campaign_folder(arguments.name),
        Elsewhere(
            arguments.images,
            arguments.labels,
            pictures=arguments.pictures,
            metrics=arguments.metrics,
            directions=dict.fromkeys(ups, True) | dict.fromkeys(downs, False),
            classes=arguments.classes,
            kind=arguments.kind,
            forced=arguments.forced_choice,
        ),
    )
    items, annotators = read_answers(campaign)
    labels, people = counted(int(items["label"].notna().sum()), "labels"), counted(len(annotators), "annotators")
    print(f"{campaign.folder}: {labels} of {counted(len(campaign.images), 'images')} by {people}.")
    if missing := int(items["label"].isna().sum()):
        print(f"{counted(missing, 'times')} no answer was given.")
    print(f"Fill in CARD.md there, then: semsim label measure {as_argument(campaign.folder)}")


def measure(arguments: argparse.Namespace) -> None:
    """Write the tables that a study has of its labels."""
    from semsim.io.tables import write_table
    from semsim.labelling.campaign import campaign_folder, read_results_folder
    from semsim.labelling.measuring import measure_campaign
    from semsim.labelling.status import measured_text

    campaign = read_results_folder(campaign_folder(arguments.campaign))
    tables = measure_campaign(campaign, arguments.resamples, arguments.seed)
    for name, table in tables.items():
        write_table(table, campaign.folder / "tables" / f"{name}.csv")
    print(measured_text(tables))
    print(f"\n{campaign.folder / 'tables'}: {', '.join(f'{name}.csv' for name in tables)}")


def export(arguments: argparse.Namespace) -> None:
    """Write the campaign's tables."""
    from semsim.labelling.results import export as write

    campaign = _campaign_to_serve(arguments.campaign)
    labels, controls = write(campaign)
    people = labels["annotator"].nunique()
    print(f"{campaign.folder / 'labels.csv'}: {counted(len(labels), 'labels')} by {counted(people, 'annotators')}.")
    print(f"{campaign.folder / 'controls.csv'}: {counted(len(controls), 'answers')} to checks and repeats.")


def write_sheets(arguments: argparse.Namespace) -> None:
    """Write an annotator's pictures on sheets."""
    from contextlib import closing

    from semsim.labelling import sheets
    from semsim.labelling.store import Store

    campaign = _campaign_to_serve(arguments.campaign)
    with closing(Store(campaign)) as store:
        name, count, pictures = sheets.write_sheets(campaign, store, arguments.name, arguments.out)
    print(f"{arguments.out}: {counted(pictures, 'pictures')} for {name} on {counted(count, 'sheets')}; answers.csv.")


def enter_answers(arguments: argparse.Namespace) -> None:
    """Store answers from a table."""
    from contextlib import closing

    from semsim.labelling import sheets
    from semsim.labelling.store import Store

    campaign = _campaign_to_serve(arguments.campaign)
    with closing(Store(campaign)) as store:
        count = sheets.enter_answers(campaign, store, arguments.name, arguments.answers)
    print(f"{campaign.folder}: {counted(count, 'answers')} of {arguments.name}.")


def compare(arguments: argparse.Namespace) -> None:
    """Compare the campaign's labels with those of a study."""
    from semsim.io.tables import read_table, write_table
    from semsim.labelling.campaign import campaign_folder, read_results_folder
    from semsim.labelling.comparing import compare_labels
    from semsim.labelling.status import compared_text

    campaign = read_results_folder(campaign_folder(arguments.campaign))
    results = _results_of(arguments.study)
    compared = compare_labels(campaign, read_table(results / "tables" / "recognition.csv"), results.name)
    path = campaign.folder / "tables" / "compared.csv"
    write_table(compared, path)
    print(compared_text(compared))
    print(f"\n{path}")
