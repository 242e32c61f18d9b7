"""Details in which readings of the attacks differ."""

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from lira.core.errors import ConfigError
from lira.core.validation import allowed, check_choice, check_fraction, check_number, quoted


@dataclass(frozen=True)
class Definition:
    """Details in which readings of the attacks differ; :data:`PUBLISHED` are those of the published code.

    ``fixed_spread="own"`` and ``offline="one-sided"`` are computed target by target, which takes seconds per target
    instead of hundredths.

    Attributes:
        cut: The LiRA attacks use as many IN (OUT) scores of each sample as the sample with the fewest has, as the
            published code does; False: all. Where samples are in and out of unequally many models, a cut throws most
            scores away.
        fixed_spread: ``"in"``: ``online_fixed`` uses the spread of the IN scores for OUT too; ``"own"``: each its own.
        offline: ``"two-sided"``: a score far below OUT also suggests a member; ``"one-sided"``: the distance to OUT
            in spreads, which ranks one view like 1 - Pr[Z > phi] but does not round to 1.
        gamma: ``rmia``, ``rmia_offline``: how many times as large as another sample's a ratio must be.
        offline_share: ``rmia_offline``: a, the assumed dependence of IN on OUT probabilities.
    """

    cut: bool = False
    fixed_spread: Literal["in", "own"] = "in"
    offline: Literal["two-sided", "one-sided"] = "two-sided"
    gamma: float = 2.0
    offline_share: float = 0.3

    def __post_init__(self):
        """Checks each value."""
        if not isinstance(self.cut, bool):
            raise ConfigError(f"cut is {quoted(self.cut)}: {allowed([True, False])}")
        check_choice(self.fixed_spread, "fixed_spread", ("in", "own"))
        check_choice(self.offline, "offline", ("two-sided", "one-sided"))
        check_number(self.gamma, "gamma", "a number", 0)
        if not self.gamma:
            raise ConfigError("gamma is 0: allowed is a number above 0")
        check_fraction(self.offline_share, "offline_share")

    @property
    def streams(self) -> bool:
        """Whether all targets of the LiRA attacks are computed in one pass."""
        return self.fixed_spread == "in" and self.offline == "two-sided"

    def attributes(self) -> dict[str, Any]:
        """Returns what files say of it: the details of LiRA, and others where they are not the defaults."""
        defaults = {field.name: field.default for field in fields(self)}
        always = ("cut", "fixed_spread", "offline")
        return {name: value for name, value in asdict(self).items() if name in always or value != defaults[name]}


UNCUT = Definition()
PUBLISHED = Definition(cut=True)
