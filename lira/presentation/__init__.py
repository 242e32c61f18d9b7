"""What tables, figures and verdicts share: what they read of finished runs, and how readers see names and numbers."""
