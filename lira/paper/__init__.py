"""The paper's own numbers and claims against a study's."""
