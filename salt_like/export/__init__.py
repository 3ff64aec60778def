"""From a trained tagger to a folder that runs without this project: graph, golden jets, and their verification."""
