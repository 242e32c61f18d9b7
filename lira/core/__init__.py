"""What every stage uses: errors, checks of arguments, threads, preemption, and the user's own functions."""
