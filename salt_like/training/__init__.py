"""Training of a tagger with Lightning."""
