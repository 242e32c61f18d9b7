"""Stands for your own training: a plain script whose three files are all that an audit needs. Put yours in their place.

``patients.csv`` has the records that may have been members, ``predictions.csv`` what the model says of each, and
``members.csv`` which of them it was trained on.
"""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

folder = Path("data/own_model")
folder.mkdir(parents=True, exist_ok=True)
x, benign = load_breast_cancer(return_X_y=True, as_frame=True)
diagnosis = np.where(benign, "benign", "malignant")
train, _ = train_test_split(x.index, train_size=0.5, random_state=0)

model = RandomForestClassifier(random_state=0).fit(x.loc[train], diagnosis[train])

size = np.where(x["mean radius"] > x["mean radius"].median(), "large", "small")
patients = x.assign(diagnosis=diagnosis, tumour=size, id=[f"P{number:03}" for number in x.index])
patients.to_csv(folder / "patients.csv", index=False)
patients[["id"]].assign(probability=model.predict_proba(x)[:, 1]).to_csv(folder / "predictions.csv", index=False)
patients.loc[train, ["id"]].to_csv(folder / "members.csv", index=False)
