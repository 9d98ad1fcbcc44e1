"""The paper's claims, each put to the test by a rule that was written before its numbers."""
