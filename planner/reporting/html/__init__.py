"""The report page: one self-contained file of sections, tables and charts."""
