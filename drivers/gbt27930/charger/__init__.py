"""The charger's side of the dialogue."""
