"""The sections of the report, in reading order.

A section is a function that yields blocks; one without blocks is left out. To add one, write it here, where it belongs;
nothing else needs to change.
"""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd
from markupsafe import Markup

from semsim import findings
from semsim.figures import (
    agreement_charts,
    chance_charts,
    charts,
    contradiction_charts,
    difficulty_charts,
    faithfulness_charts,
    protection_charts,
    semsim_charts,
)
from semsim.figures.pictures import chart, picture_of_file
from semsim.html.blocks import Paragraph, Points, Table, Verdicts
from semsim.learned.scales import LEARNED
from semsim.metrics import METRICS
from semsim.metrics.scales import without_twins
from semsim.metrics.summaries import SUMMARY_KEYS, summarise_attacks
from semsim.statistics.association import PRIMARY
from semsim.statistics.calibration import CHANCE, difficulty_used
from semsim.statistics.ceiling import EVERYONE
from semsim.statistics.contradictions import PERSON
from semsim.text import (
    ANNOTATORS,
    LEVELS,
    REPLAYED,
    STATISTICS,
    counted,
    decimal,
    kind_of,
    listed,
    percent,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from semsim.report.results import Results


class Section(NamedTuple):
    """A section of the report.

    Attributes
    ----------
    title : str
    blocks : callable
        Yields the section's blocks from `Results`.
    folded : bool
        Whether it is closed until a reader opens it.
    """

    title: str
    blocks: Callable
    folded: bool


ESTIMATES = {
    "Within one original: AUC": ("originals", "auc"),
    "Within one target model and attack: AUC": ("cells", "auc"),
    "Over all reconstructions: AUC": ("reconstructions", "auc"),
    "Over all reconstructions (per image): ρ": ("reconstructions", "spearman"),
    "Between target models (per model): ρ": ("models", "spearman"),
}
"""The level and statistic of each column of the table of faithfulness."""
SCATTERED = ("psnr", "ssim", "lpips", "lpips_random_trunk")
"""Metrics in the scatter plots of target models, if a study has them; the notebook on faithfulness draws all."""
ENDS = {
    "converged": "Converged: the cost fell below the attack's tolerance before the last step.",
    "diverged": "Diverged: the reconstruction became non-finite.",
}
"""What the ends of attacks mean that a chart's legend does not explain, by status."""
SECTIONS = []
"""The sections in reading order: what everybody should read, then what folds away."""


def _table(frame, names, caption, texts):
    """Return the named columns of a frame, under the names that people read, as a table.

    The first `texts` columns hold text; the others hold numbers and are aligned to the right.
    """
    numbers = tuple(names.values())[texts:]
    return Table(frame.rename(columns=names)[list(names.values())].astype(str), caption, numbers)


def section(title: str, folded: bool = True) -> Callable:
    """Register the decorated function as the next section of the report."""

    def register(function):
        SECTIONS.append(Section(title, function, folded))
        return function

    return register


@section("Findings", folded=False)
def claims(results: Results) -> Iterator:
    """The paper's claims, judged, and on what."""
    attacks = results.tables["attacks"]
    models = attacks[["dataset", "target"]].drop_duplicates()
    judged = [claim for kind in results.tables.kinds for claim in findings.judge_claims(results.tables, kind)]
    who = " People were not asked." if set(results.tables.kinds) == {"simulated"} else ""
    yield Paragraph(
        "Four claims of Sun et al. (NeurIPS 2023) about metrics of image privacy, tested here on the answers of"
        f" {listed([ANNOTATORS[kind] for kind in results.tables.kinds])}.{who}"
    )
    yield Verdicts(judged, findings.RULE)
    yield Paragraph(
        "From a gradient shared in federated learning, an attacker can reconstruct the image on which it was computed."
        " How much this reveals is measured by metrics such as PSNR, SSIM or LPIPS. Do they reflect whether a person"
        " would say “I can tell what this is”? p values are adjusted for multiple comparisons, by Holm's method over"
        " all comparisons in a table; intervals are not. Differences are computed before rounding."
    )
    yield Paragraph(
        f"The study has {counted(attacks['dataset'].nunique(), 'data sets')},"
        f" {counted(len(models), 'trained target models')}, {counted(attacks['attack'].nunique(), 'attacks')} and"
        f" {counted(len(attacks), 'reconstructions')}. {_who(results)} say which class each reconstruction shows, or"
        " that they can't tell. Each metric is judged by how well it predicts whether the class was recognised."
    )


def _who(results):
    """Return what the annotators of the study are called, at the beginning of a sentence."""
    return listed([ANNOTATORS[kind] for kind in results.tables.kinds]).capitalize()


@section("What annotators recognise", folded=False)
def recognised(results: Results) -> Iterator:
    """Who labelled, and what recognition depends on."""
    tables = results.tables
    for kind in tables.kinds:
        if kind == REPLAYED:
            yield Paragraph(
                "These are people's answers about the paper's reconstructions of the same originals, or of other"
                " originals of the same classes, from the same kinds of target models. Nobody has labelled the"
                " reconstructions of this study; notebook 09 shows how far the two correspond."
            )
        if kind == "simulated":
            yield Paragraph(
                "Simulated annotators are classifiers that stand in for people. They were trained on degraded images"
                " of the same classes, never on reconstructions. All results on this page are about faithfulness to"
                " them, not to people."
            )
        variance = tables.of_kind("variance", kind)
        yield Points(findings.label_findings(tables.of_kind("labels", kind), tables.of_kind("recognition", kind)))
        yield results.chart(
            f"variance_{kind}",
            partial(agreement_charts.variance_chart, variance, tables.of_kind("faithfulness", kind), tables.scales),
            "Bars of the variance of recognition, and the area under the ROC curve of trivial baselines as points.",
            f"Left: what recognition by {ANNOTATORS[kind]} depends on. Right: how well trivial baselines, which do not"
            " see the reconstruction, and the best metric, which does, predict it, as the area under the ROC curve (how"
            " often, of two reconstructions, the recognised one ranks higher; 0.5 is chance). The model-and-attack"
            " baseline predicts how often the other originals were recognised under the same target model and attack;"
            " the original-only baseline predicts how often the original was recognised under the other target models."
            " Where originals hardly matter, a single very leaky target model can make the latter worse than chance."
            " 95 % intervals.",
        )


@section("What the reconstructions look like", folded=False)
def looks(results: Results) -> Iterator:
    """Examples of the first data set, and links to whole sheets: on a page, each would weigh as much as all charts."""
    names = list(results.tables["datasets"]["dataset"])
    yield picture_of_file(
        results.figure(f"examples_{names[0]}"),
        f"Some originals of {names[0]} in the first row, then rows of reconstructions by target model and attack, with"
        " PSNR and SSIM under each.",
        f"{names[0]}: target models that span the range of mean SSIM, each under the attack that came closest to the"
        " images and the one that stayed farthest from them.",
    )
    sheets = [results.figure(f"contact_sheet_{name}") for name in names]
    yield Paragraph(_with_links("Contact sheets show all target models and attacks", results, sheets))


@section("Do metrics rank target models as annotators do?", folded=False)
def between_models(results: Results) -> Iterator:
    """The target models by name, with intervals on both axes."""
    tables, scales = results.tables, results.tables.scales
    table = tables["metrics"]
    names = [name for name in SCATTERED if name in table]
    for kind in tables.kinds:
        recognition = tables.of_kind("recognition", kind)
        reference = tables.of_kind("faithfulness", kind)["reference"].iloc[0]
        datasets = list(recognition["dataset"].unique())
        yield chart(
            faithfulness_charts.means_chart(table, recognition, scales, datasets, names, reference),
            "Scatter plots of each target model's recognition rate against its mean of a metric.",
            f"Each target model's mean of a metric, and how often {ANNOTATORS[kind]} recognise its reconstructions,"
            " over the attacks that were run on all target models. 95 % intervals over originals.",
        )


@section("Can a metric predict what is recognised within one original?", folded=False)
def within_originals(results: Results) -> Iterator:
    """Metrics beside one annotator who is judged alike."""
    tables = results.tables
    if any(tables.scales[name].access == "target" for name in tables.scales):
        yield Paragraph(
            "Most metrics compare the two images. The feature distance and the target's top-1 query the attacked model"
            " instead: how far apart the two images are in its last features, and whether it assigns the true class to"
            " the reconstruction."
        )
    for kind in tables.kinds:
        nameless = (
            " If labels were published without names, “one annotator” is a position in the list of labels, perhaps"
            " several people."
        )
        yield results.chart(
            f"person_{kind}",
            partial(faithfulness_charts.person_chart, tables.of_kind("person", kind), tables.scales),
            "Share of right answers of each metric and of one annotator, one panel per data set.",
            "Which reconstructions of an original did the majority of the other annotators recognise? A metric and one"
            " annotator (dashed line) are judged alike: the metric gets a threshold at which it says yes as often as"
            " the annotator. Two equal answers then tie, and every tie counts half, for both. Share of right answers,"
            " averaged over recognised and unrecognised reconstructions, with 95 % intervals. SemSim, which"
            " learns from labels, is not in this comparison; see “Does SemSim generalise?”."
            f"{'' if kind == 'simulated' else nameless}",
        )
        differences = tables.of_kind("faithfulness_differences", kind)
        reference = tables["faithfulness"]["reference"].iloc[0]
        if baseline := findings.baseline_findings(differences, tables.scales, reference):
            yield Points(baseline)


@section("How often do metrics contradict annotators?", folded=False)
def contradicting(results: Results) -> Iterator:
    """Contradictions by the gap, with examples."""
    tables = results.tables
    for kind in tables.kinds:
        curve = tables.of_kind("contradiction_curve", kind)
        yield results.chart(
            f"contradiction_curve_{kind}",
            partial(contradiction_charts.curve_chart, curve, tables.scales, curve["reference"].iloc[0]),
            "Lines of the share of pairs in opposite order against the gap, one panel per data set.",
            "Pairs of reconstructions of the same original that a metric, or one annotator, orders against the other"
            f" {ANNOTATORS[kind]}, of those whose recognition rates differ by at least the gap. 95 % intervals."
            f" {' '.join(findings.tie_findings(curve, tables.scales))}",
        )
    first = tables["datasets"]["dataset"].iloc[0]
    yield picture_of_file(
        results.figure(f"contradictions_{first}"),
        f"For each metric, a pair of reconstructions of {first} that it orders against the annotators.",
        f"{first}: for each metric, a pair that it clearly orders against the annotators.{_spot_check(results, first)}",
    )


def _spot_check(results, dataset):
    """Return what stands below pictures whose recognition rates are simulated, after a space; nothing below others."""
    if "simulated" not in results.tables.kinds:
        return ""
    return f" {findings.spot_check_finding(results.spot_check(dataset, 'simulated'), dataset)}"


@section("Does SemSim generalise?", folded=False)
def left_out(results: Results) -> Iterator:
    """SemSim on each left-out value."""
    yield Paragraph(
        "SemSim is a metric learned from labels. It is tested on originals that it was not trained on and, in"
        " addition, on an unseen data set, architecture, defence or attack. The best hand-crafted metric is the one"
        " that does best on the training data of each fold, so it is never selected on test data."
    )
    yield results.chart(
        "generalisation_exclusions",
        partial(semsim_charts.exclusions_chart, results.tables["generalisation"]),
        "Area under the ROC curve of SemSim and of the best hand-crafted metric on each part that was held out.",
        "SemSim and the best hand-crafted metric on each part that was held out: area under the ROC curve"
        f" {LEVELS[PRIMARY[0]]}, with 95 % intervals. The box also ranks reconstructions of different parts"
        " against each other, so its values can lie outside the range shown here.",
    )
    if groups := findings.group_findings(results.tables["semsim"]):
        yield Points(groups)


@section("What holds across seeds?", folded=False)
def seeds(results: Results) -> Iterator:
    """The conclusions of the study when it is run again with other images, target models and starts."""
    tables = results.tables
    if "seeds" not in tables:
        return
    for kind in tables.kinds:
        of_kind = tables.of_kind("seeds", kind)
        if of_kind.empty:
            continue
        yield Points(findings.replication_findings(of_kind, tables.scales))
        yield _over_seeds(findings.primary_over_seeds(of_kind, "faithfulness"), tables.scales | LEARNED)


def _over_seeds(rows, scales):
    """Return the table of each metric's faithfulness over seeds."""
    rows = rows[rows["metric"].isin(without_twins(scales.among(set(rows["metric"])))) & (rows["seeds"] > 0)]
    means = rows.rename(columns={"mean": "faithfulness", "low": "faithfulness_low", "high": "faithfulness_high"})
    frame = pd.DataFrame(
        {
            "Metric": [scales[name].label for name in rows["metric"]],
            "Mean": [_with_interval(row) for _, row in means.iterrows()],
            "Standard deviation": rows["deviation"].map(decimal),
            "Lowest to highest": [f"{decimal(row.lowest)} to {decimal(row.highest)}" for row in rows.itertuples()],
        }
    )
    return Table(
        frame,
        f"Area under the ROC curve {LEVELS[PRIMARY[0]]}, on held-out originals: mean over seeds with its 95 % interval,"
        " and the spread of single runs of the study.",
        tuple(frame.columns[1:]),
    )


@section("Limits", folded=False)
def limits(results: Results) -> Iterator:
    """What the numbers cannot say."""
    counts = results.tables["attacks"].groupby("dataset", sort=False)["original"].nunique()
    smallest = f"Each data set has {counts.min()}" + (f" to {counts.max()}" if counts.nunique() > 1 else "")
    sentences = [
        f"{smallest} attacked originals. Closely ranked models may swap places with other originals; ranks have no"
        " intervals.",
        "The study's configuration sets the number of attack steps: low leakage may also mean that an attack was"
        " stopped too early.",
    ]
    if "simulated" in results.tables.kinds:
        sentences.insert(
            0,
            "Simulated annotators are not people. They fail where small classifiers fail, and may share biases with a"
            " metric that people do not have. Faithfulness to them tests the method and is no evidence about people.",
        )
        sentences.insert(
            1,
            "The classifier from which SemSim may be initialised was trained on images of the same classes as the"
            " simulated annotators, degraded in the same ways. It may share their notion of a class, not people's.",
        )
        sentences.insert(
            2,
            "Where a metric contradicts simulated annotators, either may be wrong: some of SemSim's worst errors are"
            " theirs.",
        )
    if (results.tables["attacks"]["status"] == "diverged").any():
        sentences.append(
            "Reconstructions that diverged have no value. A target model on which attacks diverge instead of ending in"
            " poor reconstructions looks leakier than it is; the leakage table lists their number with each mean."
        )
    if "lpips_random_trunk" in results.tables["metrics"].columns:
        sentences.append("The random-trunk distance replaces LPIPS in the tables; it is not LPIPS.")
    for reason, labels in results.tables["unmeasured"].groupby("reason", sort=False)["label"]:
        sentences.append(f"Not measured: {listed(labels)} ({reason.replace('`', '')}).")
    yield Points(sentences)


@section("Data")
def data(results: Results) -> Iterator:
    """The data sets and their sizes."""
    datasets = results.tables["datasets"]
    for column in ("train", "originals", "public"):
        datasets[column] = datasets[column].map("{:,}".format)
    names = {
        "dataset": "Data set",
        "kind": "Kind",
        "classes": "Classes",
        "image_size": "Side (pixels)",
        "train": "Training",
        "originals": "Attacked",
        "public": "Public",
    }
    yield _table(
        datasets,
        names,
        "Images of each data set. Target models are trained on the training images; the attacked originals and the"
        " public images are other images of the same classes.",
        texts=2,
    )


@section("Target models")
def target_models(results: Results) -> Iterator:
    """What the target models are, and how well they classify."""
    tables = results.tables
    accuracy = tables["accuracy"]
    guessing = findings.guessing_findings(accuracy, tables["datasets"])
    leakiest = [findings.leakiest_findings(accuracy, tables.of_kind("recognition", kind)) for kind in tables.kinds]
    yield Points([*findings.accuracy_findings(accuracy), *guessing, *chain.from_iterable(leakiest)])
    yield results.chart(
        "accuracy",
        partial(charts.accuracy_chart, accuracy),
        "Accuracy of each target model on training and held-out images; the numbers are in the table.",
        "Accuracy of the target models. Training accuracy is recorded during the last epoch, on augmented images and"
        " while the weights still change; held-out accuracy is measured after training, without augmentation. It can"
        " therefore be higher, especially for target models that augment.",
    )
    for column in ("train_accuracy", "validation_accuracy"):
        accuracy[column] = accuracy[column].map(percent)
    accuracy["parameters"] = accuracy["parameters"].map("{:,}".format)
    names = {
        "dataset": "Data set",
        "target": "Target",
        "architecture": "Architecture",
        "augmentation": "Augmentation",
        "gradient_defence": "Gradient defence",
        "client": "Client",
        "parameters": "Parameters",
        "train_accuracy": "Accuracy, training",
        "validation_accuracy": "Accuracy, held out",
    }
    if accuracy["delta"].notna().any():
        for column, name in (("epsilon", "ε, training"), ("epsilon_shared", "ε, shared gradient")):
            accuracy[column] = accuracy[column].map(lambda spent: "–" if pd.isna(spent) else f"{spent:.3g}")
            names[column] = name
    yield _table(
        accuracy,
        names,
        "The target models. A gradient defence changes the training gradients, the shared gradient that is attacked, or"
        " both. A client shares one gradient, or one update, for the images of its batch.",
        texts=6,
    )


@section("Attacks")
def attacks(results: Results) -> Iterator:
    """How the attacks ended."""
    table = results.tables["attacks"]
    yield Points([*findings.attack_findings(table), *findings.knowledge_findings(table)])
    ends = [text for status, text in ENDS.items() if status in set(table["status"])]
    yield results.chart(
        "attack_status",
        partial(charts.status_chart, table),
        "Share of reconstructions by how the attack ended, for each data set and attack.",
        " ".join(["How the attacks ended.", *ends]),
    )
    summary = summarise_attacks(table)
    summary["true_label"] = summary["true_label"].map(percent)
    for column in ("initial_cost", "cost", "cost_left"):
        summary[column] = summary[column].map("{:.3g}".format, na_action="ignore").fillna("–")
    clients = {"client": "Client"} if summary["client"].nunique() > 1 else {}
    names = {
        "dataset": "Data set",
        **clients,
        "attack": "Attack",
        "reconstructions": "Reconstructions",
        "converged": "Converged",
        "diverged": "Diverged",
        "true_label": "True label known",
        "initial_cost": "Cost, start",
        "cost": "Cost, end",
        "cost_left": "Cost left",
    }
    yield _table(
        summary,
        names,
        "Outcomes of the attacks. Costs are medians over target models and originals. Attacks minimise different"
        " costs, so only the remaining share of the initial cost can be compared between them.",
        texts=2 + len(clients),
    )


@section("How close the reconstructions come")
def reconstructions(results: Results) -> Iterator:
    """The spread of a metric."""
    yield Points(findings.spread_findings(results.tables["metrics"]))


@section("Metrics")
def metrics(results: Results) -> Iterator:
    """What is measured, and how it is distributed."""
    table, leakage = results.tables["metrics"], results.tables["leakage"]
    computed = set(leakage.loc[leakage["value"].notna(), "metric"])
    rows = [
        {
            "Metric": metric.label,
            "What it is": metric.summary,
            "Range": " to ".join(_bound(bound) for bound in metric.bounds) + f" {metric.unit}".rstrip(),
            "Leaks more": "when higher" if metric.higher_is_better else "when lower",
            "Keep in mind": metric.caveat,
        }
        for metric in METRICS.values()
        if metric.name in computed
    ]
    yield Table(pd.DataFrame(rows), "The metrics of this study.")
    for name in charts.distributed(table):
        label = METRICS[name].label
        yield results.chart(
            name,
            partial(charts.distribution_chart, table, name),
            f"Box plots of {label} for each data set, target model and attack.",
            f"{label} against the attacked image: median, quartiles, and whiskers at the 5th and 95th percentile.",
        )
    yield from _missing_sets(leakage)


def _bound(value):
    """Write a bound of a metric."""
    return f"{value:g}".replace("inf", "∞").replace("-", "−")


def _missing_sets(leakage):
    """Say which set metrics could not be computed, and why."""
    of_sets = leakage[leakage["metric"].map(lambda name: METRICS[name].of == "set")]
    for note, rows in of_sets[of_sets["value"].isna()].groupby("note", sort=False):
        labels = " and ".join(METRICS[name].label for name in rows["metric"].unique())
        missing, all_sets = (len(table[SUMMARY_KEYS].drop_duplicates()) for table in (rows, of_sets))
        share = "" if missing == all_sets else f" for {missing} of {counted(all_sets, 'image sets')}"
        yield Paragraph(f"{labels} could not be computed{share}: {note}.")


@section("Which target models leak most?")
def leakage(results: Results) -> Iterator:
    """The ranking by each metric."""
    table = results.tables["leakage"]
    yield Points(findings.leakage_findings(table))
    yield results.chart(
        "leakage",
        partial(charts.leakage_chart, table),
        "Heat map of the target models' ranks by each metric, one panel per data set.",
        "Target models ranked by each metric against the attacked images, over the attacks that were run on all of"
        " them. Rank 1, the darkest, leaks most. Arrows give the direction of closer reconstructions. The means, over"
        " reconstructions that did not diverge, are in leakage.csv.",
    )


@section("What protection costs")
def protection(results: Results) -> Iterator:
    """Accuracy against recognition, and both against epsilon."""
    tables = results.tables
    for kind in tables.kinds:
        table = tables.of_kind("protection", kind)
        yield results.chart(
            f"protection_{kind}",
            partial(protection_charts.protection_chart, table),
            "Each target model's recognition rate against its accuracy.",
            f"How accurate each target model is, and how often {ANNOTATORS[kind]} recognise what its shared gradients"
            " reveal under the strongest attack. 95 % intervals over held-out images and over originals. A good"
            " defence moves a target model far down and little to the left.",
        )
        guessing = findings.guessing_findings(tables["accuracy"], tables["datasets"])
        yield Points([*guessing, *findings.protection_findings(table)])
        if table["epsilon_shared"].notna().any():
            yield results.chart(
                f"epsilon_{kind}",
                partial(protection_charts.epsilon_chart, table),
                "Lines of accuracy and recognition rate against epsilon, one panel per data set and network.",
                f"Differentially private target models: accuracy, and how often {ANNOTATORS[kind]} recognise the image"
                " behind a shared gradient, with 95 % intervals. Dashed: without defence. Grey: the rate below which"
                " images count as hidden. Epsilons are upper bounds; that of the training is for Poisson sampling.",
            )


@section("What a reconstruction is compared with")
def references(results: Results) -> Iterator:
    """The two references, and what difference they make."""
    table = results.tables["metrics"]
    yield Paragraph(
        "Augmentation changes an image before the target model sees it, so a faithful reconstruction shows the"
        " augmented image. Relative to the original it is misaligned, which every pixel-wise metric penalises. Unless"
        " stated otherwise, this report compares reconstructions with the attacked image."
    )
    if (results.tables["accuracy"]["augmentation"] != "none").any():
        yield results.chart(
            "references",
            partial(charts.reference_chart, table),
            "Mean PSNR of each target model against the attacked image and against the original before augmentation.",
            "Mean PSNR against both references, over all attacks. They differ only for target models that augment.",
        )
    yield Points(findings.reference_findings(table))


@section("How well annotators agree")
def annotators(results: Results) -> Iterator:
    """Who labelled, what they recognised, and how well they agree."""
    tables = results.tables
    yield Paragraph(
        "Annotators saw reconstructions without their originals. A label counts as recognised if it names the true"
        " class."
    )
    for kind in tables.kinds:
        if kind == "simulated" and "observers" in tables:
            yield Points(findings.observer_findings(tables["observers"]))
            yield results.chart(
                "observers",
                partial(agreement_charts.observers_chart, tables["observers"]),
                "Share of held-out images that each simulated annotator classifies correctly, by severity of the"
                " degradation.",
                "How well simulated annotators classify held-out images of increasing degradation.",
            )
        recognised, agreed = (tables.of_kind(name, kind) for name in ("recognition", "agreement"))
        yield Points([*findings.agreement_findings(agreed), findings.graded_finding(recognised)])
        yield Points(findings.variance_findings(tables.of_kind("variance", kind)))
        yield results.chart(
            f"recognition_{kind}",
            partial(agreement_charts.recognition_chart, recognised),
            "Recognition rate of each target model and attack, one panel per data set.",
            f"Share of labels by {ANNOTATORS[kind]} that name the true class.",
        )
        yield results.chart(
            f"agreement_{kind}",
            partial(agreement_charts.agreement_chart, agreed),
            "Krippendorff's alpha for each data set, with intervals.",
            f"Chance-corrected agreement of {ANNOTATORS[kind]}, with 95 % intervals over originals.",
        )


@section("Which metrics agree with annotators?")
def faithfulness(results: Results) -> Iterator:
    """How faithful each metric is to the annotators."""
    tables, scales = results.tables, results.tables.scales
    reference = tables["faithfulness"]["reference"].iloc[0]
    for kind in tables.kinds:
        of_kind, compared, limit, person = (
            tables.of_kind(name, kind) for name in ("faithfulness", "faithfulness_differences", "ceiling", "person")
        )
        for level, statistic in (PRIMARY, ("models", "spearman")):
            rows = of_kind[of_kind["level"] == level]
            yield Points(findings.faithfulness_findings(rows, compared, scales, statistic, reference))
        yield Points(findings.person_findings(person[person["level"] == PRIMARY[0]], scales, reference))
        yield _estimands(of_kind[of_kind["reference"] == reference], limit, scales)
        for dataset in of_kind["dataset"].unique():
            yield results.chart(
                f"faithfulness_auc_{dataset}_{kind}",
                partial(faithfulness_charts.faithfulness_chart, of_kind, limit, scales, dataset, "auc"),
                f"Forest plot of every metric's faithfulness on {dataset}, with intervals and the ceiling.",
                f"{dataset}: faithfulness of each metric to {ANNOTATORS[kind]} ({STATISTICS['auc']}), sign-adjusted; 1"
                " is best. 95 % intervals over originals and target models. Dashed line: the binary answers of one"
                " annotator in place of a metric.",
            )


def _estimands(rows, limit, scales):
    """Return the table of faithfulness at each level, in order: of all metrics, trivial baselines and one annotator."""
    limit = limit[limit["annotator"] == EVERYONE].assign(metric=PERSON)
    limit = limit.rename(columns={end: f"faithfulness{end and '_'}{end}" for end in ("low", "high")})
    rows = pd.concat([rows, limit.assign(faithfulness=limit["value"])])
    labels, lines = scales.labels | {PERSON: "One annotator"}, []
    for dataset, group in rows.groupby("dataset", sort=False):
        values = group.set_index(["metric", "level", "statistic"])
        for name in [*without_twins(scales.among(set(group["metric"]) - {PERSON})), PERSON]:
            line = {"Data set": dataset, "Metric": labels[name]}
            for heading, key in ESTIMATES.items():
                line[heading] = _with_interval(values.loc[(name, *key)]) if (name, *key) in values.index else "–"
            lines.append(line)
    frame = pd.DataFrame(lines)
    return Table(
        frame,
        f"How faithful metrics are to {kind_of(rows)}, sign-adjusted; 1 is best; with 95 % intervals. AUC is the area"
        " under the ROC curve. The first column is the primary one: which reconstructions of an original were"
        " recognised? The first claim in the box gives the means over data sets of the two columns with Spearman's ρ.",
        tuple(frame.columns[2:]),
    )


def _with_interval(row):
    """Write a row's faithfulness with its interval."""
    if pd.isna(row["faithfulness"]):
        return "–"
    low, high = decimal(row["faithfulness_low"]), decimal(row["faithfulness_high"])
    return f"{decimal(row['faithfulness'])} ({low} to {high})"


@section("What the content of the original adds")
def content(results: Results) -> Iterator:
    """How hard originals are, and what knowing it adds to metrics."""
    tables = results.tables
    yield Paragraph(
        "A metric compares two images and does not know how hard the original is to recognise. Here this difficulty is"
        " predicted from other originals of its class, or from a classifier's features of the clear image, and"
        " combined with the metric in a logistic regression, which is tested on held-out originals. Intervals are not"
        " adjusted for multiple comparisons; the p values of gains in content.csv are, by Holm's method over all"
        " metrics, difficulties and levels of a data set."
    )
    for kind in tables.kinds:
        table, effects = tables.of_kind("content", kind), tables.of_kind("effects", kind)
        yield Points(findings.content_findings(table, tables.scales) + findings.effect_findings(effects))
        for dataset in table["dataset"].unique():
            of_dataset = table[table["dataset"] == dataset]
            yield results.chart(
                f"content_{dataset}_{kind}",
                partial(difficulty_charts.content_chart, of_dataset, tables.scales),
                f"Area under the ROC curve of each metric on {dataset}, alone and with the difficulty of the original.",
                f"{dataset}: metrics alone, and with the difficulty of the original. The original's rate under other"
                " target models cannot be known in advance; it shows what a perfect prediction could add. 95 %"
                " intervals over originals and target models.",
            )


@section("Contradictions in detail")
def contradictions(results: Results) -> Iterator:
    """How often two metrics, or a metric and the annotators, order two reconstructions of one original differently."""
    tables, scales = results.tables, results.tables.scales
    first = tables.of_kind("contradictions", tables.kinds[0])  # between metrics, the same for every kind of annotators
    reference = first["reference"].iloc[0]
    yield Points(findings.contradiction_findings(first, scales, reference))
    yield results.chart(
        "contradictions",
        partial(contradiction_charts.contradictions_chart, first, scales, reference),
        "Share of pairs of reconstructions of the same original that two metrics put in opposite order.",
        "Share of pairs of reconstructions of the same original that two metrics put in opposite order.",
    )
    for kind in tables.kinds:
        of_kind = tables.of_kind("contradictions", kind)
        yield Points(findings.against_annotators_findings(of_kind, scales, reference))
        yield results.chart(
            f"against_annotators_{kind}",
            partial(contradiction_charts.against_annotators_chart, of_kind, scales),
            "Share of pairs that each metric orders against the annotators, with intervals.",
            f"Pairs that {ANNOTATORS[kind]} clearly separate and that a metric puts in the opposite order.",
        )
    others = [results.figure(f"contradictions_{name}") for name in tables["datasets"]["dataset"].iloc[1:]]
    if others:
        yield Paragraph(_with_links("Telling pairs for each metric, on the other data sets", results, others))


@section("False and missed leakage")
def leakage_errors(results: Results) -> Iterator:
    """How often a metric, or the target model itself, is wrong about whether a reconstruction gives its image away."""
    tables, scales = results.tables, results.tables.scales
    yield Paragraph(
        "To decide whether an image has leaked, a metric needs a threshold. Here the threshold is chosen on other"
        " originals, such that the metric calls as many reconstructions leaked as the majority recognised. A target"
        " model's top-1 needs none: it calls a reconstruction leaked if it predicts the true class. SemSim is"
        " evaluated on originals that it was not trained on."
    )
    for kind in tables.kinds:
        errors = tables.of_kind("leakage_errors", kind)
        reference = errors["reference"].iloc[0]
        yield Points(findings.leakage_error_findings(errors, scales, reference))
        yield results.chart(
            f"leakage_errors_{kind}",
            partial(contradiction_charts.leakage_errors_chart, errors, scales, reference),
            "Shares of reconstructions that each metric falsely calls leaked, or misses, with intervals.",
            f"False leakage: share called leaked of the reconstructions that most {ANNOTATORS[kind]} did not recognise."
            " Missed leakage: share not called leaked of those that they did. 95 % intervals over originals and target"
            " models.",
        )


@section("SemSim, a metric learned from labels")
def semsim(results: Results) -> Iterator:
    """What SemSim learned, and the effect of its settings."""
    tables = results.tables
    trials, curves = tables["semsim"], tables["semsim_curves"]
    recognition = tables.of_kind("recognition", trials["kind"].iloc[0])
    yield Paragraph(
        "SemSim is the distance between an original and its reconstruction in the feature space of a network trained"
        " on labels: a reconstruction that the majority did not recognise should end up farther from its original than"
        " one that it did. Distances, examples and ablations are for originals that SemSim was not trained on; areas"
        " under the ROC curve are within one original, as in the box, unless stated otherwise."
    )
    yield Points(findings.learning_findings(tables["semsim_triplets"], curves, trials))
    yield results.chart(
        "semsim_distances",
        partial(semsim_charts.distances_chart, trials, recognition),
        "Histograms of SemSim's distances for recognised and unrecognised reconstructions, one panel per data set.",
        "SemSim's distances for reconstructions that the majority recognised, and for the others.",
    )
    for dataset in trials["dataset"].unique():
        yield picture_of_file(
            results.figure(f"semsim_{dataset}"),
            f"Nearest and farthest reconstructions of {dataset} by SemSim, recognised and not.",
            f"{dataset}: where SemSim is right, and its worst errors (second and third row). Each original is on the"
            f" left of its reconstruction.{_spot_check(results, dataset)}",
        )
    ablations = tables["ablations"]
    if ablations["variant"].nunique() > 1:
        yield results.chart(
            "semsim_ablations",
            partial(semsim_charts.ablations_chart, ablations),
            "Change of SemSim's area under the ROC curve with its settings changed one at a time, with intervals.",
            "SemSim with one setting changed, minus SemSim with the study's settings. 95 % intervals of the paired"
            " difference.",
        )
        yield Points(findings.ablation_findings(ablations))


@section("Chances instead of distances")
def chances(results: Results) -> Iterator:
    """How well the chances predicted by SemSim's weights are calibrated."""
    tables = results.tables
    chances, errors = tables["chances"], tables["semsim_calibration"]
    yield Paragraph(
        "A logistic regression on SemSim's distance, and on the difficulty of the original as predicted from its"
        " embedding, gives the chance that one annotator recognises a reconstruction. It is tested on originals, data"
        " sets, architectures, defences and attacks on which neither SemSim nor the regression was trained. The Brier"
        " score is the mean squared error of the chances. The ideal calibration slope is 1; below 1, chances are too"
        " extreme."
    )
    yield Points(findings.calibration_findings(errors))
    if (known := chances[chances["difficulty"] == difficulty_used(errors)].dropna(subset=CHANCE)).size:
        yield chart(
            chance_charts.reliability_chart(known, tables.of_kind("recognition", known["kind"].iloc[0])),
            "Recognised share by predicted chance, one panel for each kind of held-out data.",
            "Recognised share by predicted chance, in ten groups of equal size, with 95 % intervals over originals."
            " Panel titles say what was held out. Points on the grey line are perfectly calibrated.",
        )


@section("Generalisation in detail")
def generalisation(results: Results) -> Iterator:
    """SemSim on held-out data, compared with the other metrics."""
    tables = results.tables
    values, differences = tables["generalisation"], tables["generalisation_differences"]
    yield Paragraph(
        "SemSim is compared with two learned baselines: the distance in the feature space of a plain classifier of"
        " public images (or, pretrained, of ImageNet) with the same backbone, from which SemSim may be initialised, and"
        " a logistic regression on the hand-crafted metrics, trained on the same labels."
    )
    yield Points(findings.generalisation_findings(values, differences, tables.scales, (PRIMARY[0],)))
    yield chart(
        semsim_charts.generalisation_chart(values, tables.scales, level=PRIMARY[0]),
        "Area under the ROC curve of every metric, one panel for each kind of held-out data.",
        "Area under the ROC curve: how often the recognised one of two reconstructions of one original is nearer to"
        " it. Means over data sets with 95 % intervals over originals and target models; the grey line is SemSim."
        " Originals are held out in every panel.",
    )
    yield Points(findings.dataset_findings(values, differences, tables.scales))


@section("Tables and notebooks")
def files(results: Results) -> Iterator:
    """Where the numbers are."""
    yield Paragraph(
        _with_links("All numbers on this page come from these tables", results, results.tables.folder.glob("*.csv"))
    )
    if results.notebooks:
        yield Paragraph(_with_links("The notebooks give more detail", results, results.notebooks))


def _with_links(text, results, paths):
    """Return a sentence that ends with links to files."""
    links = [Markup('<a href="{}">{}</a>').format(results.address(path), path.name) for path in sorted(paths)]
    return Markup("{}: {}.").format(text, Markup(", ").join(links))
