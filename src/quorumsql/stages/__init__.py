"""The steps of the pipeline, each a module named by its verb."""
