"""Databases behind one port: one file per engine, reflection into `Schema`."""
