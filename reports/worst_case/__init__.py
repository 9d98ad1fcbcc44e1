"""The order of threats and the strongest attacker per image."""
