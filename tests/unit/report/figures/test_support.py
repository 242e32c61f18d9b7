import numpy as np
import pandas as pd
from synthetic_study import agreement_folder


def test_support_says_where_there_is_nothing(draw, study):
    drawn = draw("support", fpr=0.01)
    panels = drawn.get_axes()
    assert len(panels) == 6
    sets = pd.read_csv(agreement_folder(study) / "agreement.csv").query("scenario == 'identical' and fpr == 0.01")
    null = pd.read_csv(agreement_folder(study) / "null_agreement.csv").query(
        "scenario == 'identical' and fpr == 0.01 and zero_fp"
    )
    chosen = sets.query("zero_fp")
    upright, italic = (
        [text.get_text() for text in panels[0].texts if text.get_fontstyle() == style] for style in ("normal", "italic")
    )
    assert upright.count("–") == chosen["jaccard"].isna().sum() > 0
    assert italic.count("–") == null["jaccard"].isna().sum() > 0
    assert len(upright) == len(italic) == len(chosen)
    assert f"{sets.query('not zero_fp')['union'].max():.0f}" in [text.get_text() for text in panels[5].texts]
    largest = null.sort_values(["k", "support"])["union"]
    italic = [text.get_text() for text in panels[2].texts if text.get_fontstyle() == "italic"]
    assert italic == ["–" if np.isnan(size) else f"{size:.0f}" for size in largest]
