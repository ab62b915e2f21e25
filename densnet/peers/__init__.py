"""Other people's models, trained on the same frames as ours."""
