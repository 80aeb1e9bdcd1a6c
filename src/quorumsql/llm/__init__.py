"""Language models: any OpenAI-compatible service, scripted, recorded and cached ones."""
