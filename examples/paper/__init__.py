"""The source paper's tables, figures and claims, computed; `examples/paper.py` writes them down."""
