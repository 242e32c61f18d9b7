"""The study file: typed, checked before anything runs, and resolved into one recipe per run.

A study defines datasets, architectures and regimes once, and then lists its runs, one line per
``dataset/architecture/regime``. A run's recipe has the settings of its regime, unless its own line sets others.
"""

from lira.config.catalogue import AUGMENTATIONS, DATASETS, FAMILIES, RAW, RECIPE_VERSION
from lira.config.dataset import Dataset, DataSpec
from lira.config.margins import Margins
from lira.config.messages import check_section, parse_section
from lira.config.reading import commented_defaults, load_study, read_params, read_yaml, schema
from lira.config.sections import (
    Architecture,
    AttacksSpec,
    BudgetsSpec,
    ImportedRecipe,
    PretrainingSettings,
    RatesSpec,
    Recipe,
    RunDescription,
    RunSpec,
    TrainingSettings,
)
from lira.config.study import StudySettings
