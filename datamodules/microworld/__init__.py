"""Microworld: a synthetic miniature language with documents and tasks; see docs/microworld.md."""
