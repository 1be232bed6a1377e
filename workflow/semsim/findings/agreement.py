"""What the tables of labels say: who labelled what, how well annotators agree, and how well one predicts the others."""

from semsim.statistics.ceiling import EVERYONE
from semsim.text import LEVELS, STATISTICS, counted, decimal, interval, kind_of, percent


def label_findings(labels, recognition):
    """Say who gave how many labels, and which target models' reconstructions were recognised most and least.

    Parameters
    ----------
    labels, recognition : pandas.DataFrame
        The tables of labels and of recognition rates, of annotators of one kind.

    Returns
    -------
    list of str
    """
    annotators, images = labels["annotator"].nunique(), labels["image"].nunique()
    who = kind_of(labels) if annotators != 1 else kind_of(labels).removesuffix("s")
    sentences = [
        f"{annotators} {who} gave {counted(len(labels), 'labels')} to {counted(images, 'reconstructions')};"
        f" {percent((labels['label'] == -1).mean())} of the labels say “can't tell”."
    ]
    recognised = recognition.assign(recognised=recognition["recognition_rate"] * recognition["labels"])
    for dataset, rows in recognised.groupby("dataset", sort=False):
        sums = rows.groupby("target", sort=False)[["recognised", "labels"]].sum()
        rates = sums["recognised"] / sums["labels"]
        lowest, highest = rates.idxmin(), rates.idxmax()
        if rates[lowest] == rates[highest]:
            sentences.append(f"On {dataset} they recognised {percent(rates[lowest])} of each target model.")
        else:
            sentences.append(
                f"On {dataset} they recognised from {percent(rates[lowest])} ({lowest}) to {percent(rates[highest])}"
                f" ({highest}) of a target model's reconstructions."
            )
    return sentences


def observer_findings(observers):
    """Say how well simulated observers read images that nothing has happened to, and hopeless ones.

    Parameters
    ----------
    observers : pandas.DataFrame
        The table of observers.

    Returns
    -------
    list of str
    """
    sentences = []
    for dataset, rows in observers.groupby("dataset", sort=False):
        clear, hopeless = (rows[rows["severity"] == end] for end in (0, rows["severity"].max()))
        right, wrong = (column.agg(["min", "max"]) for column in (clear["right"], hopeless["wrong"]))
        sentences.append(
            f"On {dataset}, simulated observers were tried on images that they did not learn from: they name"
            f" {percent(right['min'])} to {percent(right['max'])} of clear ones rightly, and a wrong class for"
            f" {percent(wrong['min'])} to {percent(wrong['max'])} of hopeless ones."
        )
    return sentences


def agreement_findings(agreement):
    """Say how well annotators of one kind agree beyond chance, for each data set.

    Parameters
    ----------
    agreement : pandas.DataFrame
        The table of agreement, of annotators of one kind.

    Returns
    -------
    list of str
    """
    sentences = []
    alphas = agreement[agreement["statistic"] == "krippendorff_alpha"].set_index(["dataset", "answer"])
    for dataset in alphas.index.get_level_values("dataset").unique():
        parts = [
            f"{what}: {_estimate(alphas.loc[(dataset, answer)])}"
            for answer, what in (
                ("recognised", "whether a reconstruction shows the true class"),
                ("named", "which class it shows"),
            )
        ]
        sentences.append(
            f"Krippendorff's α of {kind_of(agreement)} on {dataset} (0: chance, 1: full agreement) is, about "
            + "; about ".join(parts)
            + "."
        )
    return sentences


def annotator_findings(agreement):
    """Say how annotators differ: in what they recognise, in bias, and in reliability by Dawid and Skene's model.

    Parameters
    ----------
    agreement : pandas.DataFrame
        The table of agreement, of annotators of one kind.

    Returns
    -------
    list of str
    """
    sentences = []
    for dataset, rows in agreement.groupby("dataset", sort=False):
        values = {
            statistic: group.set_index("annotator")["value"].dropna()
            for statistic, group in rows.groupby("statistic")
            if statistic in ("recognition_rate", "dawid_skene_accuracy")
        }
        biased = rows[(rows["statistic"] == "bias") & ((rows["low"] > 0) | (rows["high"] < 0))]
        parts = []
        for statistic, what in (
            ("recognition_rate", "single annotators recognise"),
            ("dawid_skene_accuracy", "by Dawid and Skene's model they name what is shown in"),
        ):
            each = values.get(statistic)
            if each is not None and len(each):
                parts.append(
                    f"{what} {percent(each.min())} ({each.idxmin()}) to {percent(each.max())} ({each.idxmax()})"
                )
        names = ", ".join(biased["annotator"])
        parts.append(
            f"recognise distinguishably more or less than the others: {names}"
            if names
            else "nobody's recognition rate is distinguishable from that of the others"
        )
        sentences.append(f"On {dataset}, {'; '.join(parts)}.")
    return sentences


def ceiling_findings(ceiling):
    """Say how well one annotator predicts the others, at each level.

    Parameters
    ----------
    ceiling : pandas.DataFrame
        The table of the ceiling, of annotators of one kind.

    Returns
    -------
    list of str
    """
    sentences = []
    mean = ceiling[(ceiling["annotator"] == EVERYONE) & ceiling["statistic"].isin(("spearman", "auc"))]
    for dataset, rows in mean.groupby("dataset", sort=False):
        parts = [
            f"{LEVELS[row.level]}, {STATISTICS[row.statistic]} {_estimate(row._asdict())}"
            for row in rows.itertuples(index=False)
        ]
        sentences.append(f"On {dataset}, one annotator predicts the others as follows: {'; '.join(parts)}.")
    return sentences


def _estimate(row):
    """Write a value with its interval, or why it is undefined."""
    if row["value"] != row["value"]:
        return f"undefined ({row['note']})"
    return f"{decimal(row['value'])} ({interval(row['low'], row['high'])})"
