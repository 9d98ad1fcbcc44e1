"""The paper's claims, each tested by a rule that was written before its numbers."""
