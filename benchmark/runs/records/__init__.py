"""What makes the run store safe to read: opening its file, and checking its records."""
