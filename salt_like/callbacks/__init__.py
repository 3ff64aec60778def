"""What happens around training: checkpoints, records, guards, prediction files."""
