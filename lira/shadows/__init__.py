"""Shadow models: who is in which training set, networks, training, the query, and all models of a run in one file."""
