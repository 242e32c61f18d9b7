"""What every stage builds on: errors, checks of arguments, threads, being told to stop, functions of the user's own."""
