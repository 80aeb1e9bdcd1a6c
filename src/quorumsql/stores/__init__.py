"""What we keep in files and memory of ours: value indexes."""
