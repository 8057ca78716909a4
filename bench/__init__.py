"""How fast is it, and compared with what?  C{python -m bench --help}; see docs/performance.md."""
