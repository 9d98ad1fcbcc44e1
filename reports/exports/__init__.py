"""A finished run for other tools: experiment trackers, leaderboards, model cards."""
