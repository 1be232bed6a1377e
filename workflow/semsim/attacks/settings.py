"""What an attack is, as data: its named parts, and the published attacks as presets."""

from dataclasses import dataclass, fields, replace

from semsim.attacks import initialisation, labels, objectives, optimisers
from semsim.errors import SemsimError


@dataclass(frozen=True)
class AttackSettings:
    """The parts of an attack that searches for an image whose gradient matches an observed one.

    Images are searched for in the target model's normalised space, in which the published learning rates and weights
    are stated. The cost of a candidate is its objective plus each prior times its weight.

    Attributes
    ----------
    steps : int
        How often the cost and its gradient are computed; 0 keeps the initialisation.
    objective : {"cosine", "squared", "l1"}
        How far the candidate's gradient is from the observed one (`semsim.attacks.objectives`).
    optimiser : {"adam", "lbfgs"}
        `semsim.attacks.optimisers`.
    learning_rate : float
        First step size of Adam, in units of one standard deviation of the training images. L-BFGS finds its own.
    signed : bool
        Adam sees only the sign of the cost's gradient.
    boxed : bool
        Keep the candidate within the range of real images after every step of Adam.
    milestones : tuple of float
        Shares of `steps` after which the learning rate is multiplied by `decay`.
    decay : float
    history : int
        How many past steps L-BFGS remembers.
    total_variation, l2_norm, batchnorm, group_consistency : float
        Weights of the priors (`semsim.attacks.priors`).
    restarts : int
        Searches for each original, from different starts; the one that ends with the lowest cost is the reconstruction.
    initialisation : {"normal", "uniform", "grey", "analytic"}
        Where the search starts (`semsim.attacks.initialisation`).
    label : {"known", "analytic", "optimised"}
        Where the attacker has the class from (`semsim.attacks.labels`).
    tolerance : float
        A search stops as converged once its cost is at or below this.
    """

    steps: int
    objective: str = "cosine"
    optimiser: str = "adam"
    learning_rate: float = 0.1
    signed: bool = False
    boxed: bool = True
    milestones: tuple[float, ...] = ()
    decay: float = 0.1
    history: int = 20
    total_variation: float = 0.0
    l2_norm: float = 0.0
    batchnorm: float = 0.0
    group_consistency: float = 0.0
    restarts: int = 1
    initialisation: str = "normal"
    label: str = "known"
    tolerance: float = 0.0

    def __post_init__(self):
        choices = {
            "objective": objectives.OBJECTIVES,
            "optimiser": optimisers.OPTIMISERS,
            "initialisation": initialisation.INITIALISATIONS,
            "label": labels.LABELS,
        }
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise SemsimError(
                    f"attack setting {name} is '{getattr(self, name)}'. Choose one of {', '.join(known)}."
                )
        if self.steps < 0 or self.restarts < 1 or self.history < 1:
            raise SemsimError("attack settings: steps must be 0 or more, restarts and history 1 or more.")
        if self.group_consistency and self.restarts == 1:
            raise SemsimError(
                "attack setting group_consistency compares restarts with each other: set restarts to 2 or more."
            )
        object.__setattr__(self, "milestones", tuple(self.milestones))


PRESETS = {
    # Zhu, Liu, Han: Deep Leakage from Gradients. NeurIPS 2019.
    "dlg": AttackSettings(steps=6000, objective="squared", optimiser="lbfgs", label="optimised", tolerance=1e-9),
    # Zhao, Mopuri, Bilen: iDLG: Improved Deep Leakage from Gradients. arXiv 2001.02610, 2020.
    "idlg": AttackSettings(steps=6000, objective="squared", optimiser="lbfgs", label="analytic", tolerance=1e-9),
    # Geiping, Bauermeister, Droege, Moeller: Inverting Gradients. NeurIPS 2020. Weights for 32x32 images.
    "invertgrad": AttackSettings(
        steps=8000, objective="cosine", signed=True, total_variation=1e-4, milestones=(3 / 8, 5 / 8, 7 / 8)
    ),
    # Yin et al.: See through Gradients: Image Batch Recovery via GradInversion. CVPR 2021. Its weights, divided by its
    # weight of the gradient term (1e-3), since here that term has weight one.
    "gradinversion": AttackSettings(
        steps=8000,
        objective="squared",
        label="analytic",
        total_variation=1e-1,
        l2_norm=1e-3,
        batchnorm=1e2,
        group_consistency=1e1,
        restarts=4,
        milestones=(3 / 8, 5 / 8, 7 / 8),
    ),
    # The positive control: closed form through a first layer that is fully connected (Phong et al.: Privacy-Preserving
    # Deep Learning via Additively Homomorphic Encryption. IEEE TIFS 2018, section 3).
    "analytic": AttackSettings(steps=0, initialisation="analytic", label="analytic"),
}


def attack_settings(preset, **changes):
    """Return the settings of a preset with some of them changed.

    Parameters
    ----------
    preset : str
        A key of `PRESETS`.
    **changes
        Fields of `AttackSettings`.

    Raises
    ------
    SemsimError
        If the preset or a setting is unknown, or a value is not allowed.

    Examples
    --------
    >>> attack_settings("invertgrad", steps=400).total_variation
    0.0001
    """
    if preset not in PRESETS:
        raise SemsimError(f"attack preset '{preset}' is not known. Choose one of {', '.join(PRESETS)}.")
    known = [field.name for field in fields(AttackSettings)]
    for name in changes:
        if name not in known:
            raise SemsimError(f"attack setting '{name}' is not known. Choose from {', '.join(known)}.")
    return replace(PRESETS[preset], **changes)
