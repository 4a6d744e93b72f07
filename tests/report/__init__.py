"""The report: pictures, page, files."""
