"""Back-ups of an installation: what they are made of, how they are proved whole, how they come back."""
