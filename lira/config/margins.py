"""The section of margins: how far a result may be from a published number and still agree."""

from typing import Annotated

from pydantic import Field

from lira.config.sections import Settings

Margin = Annotated[float, Field(gt=0)]


class Margins(Settings):
    """Largest difference from a published number that still agrees: a share of it, or points where it says so."""

    loss: Margin = Field(0.1, description="Train and test loss, a share.")
    loss_ratio: Margin = Field(0.2, description="Test over train loss, a share.")
    accuracy: Margin = Field(1.0, description="Accuracies, points.")
    auc: Margin = Field(1.0, description="AUC, points.")
    tpr: Margin = Field(0.2, description="TPR at an FPR, a share.")
    fpr: Margin = Field(0.5, description="FPR achieved at shadow thresholds, a share.")
    ppv: Margin = Field(5.0, description="PPV, points.")
    reduction: Margin = Field(0.25, description="Factor by which a regime cuts the TPR, a share.")
    jaccard: Margin = Field(5.0, description="Jaccard of flagged sets, points.")
    samples: Margin = Field(0.2, description="Sizes of intersections and unions, a share.")
    correlation: Margin = Field(0.1, description="Correlations of loss ratio and TPR, absolute.")
    explained: Margin = Field(0.1, description="R² of TPR on log10 loss ratio, absolute.")
    fit: Margin = Field(0.2, description="Slope and intercept of TPR on log10 loss ratio, a share.")
