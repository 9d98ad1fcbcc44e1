"""From cells to outcomes: plan, chunks, executors."""
