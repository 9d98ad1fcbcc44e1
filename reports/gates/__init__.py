"""Gates: which rows are meant, what they must reach, and the files that CI systems read."""
