"""Embedded models: tokenise, encode, decode under a grammar, with onnxruntime."""
