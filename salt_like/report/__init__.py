"""One page that explains a run, or several beside each other."""
