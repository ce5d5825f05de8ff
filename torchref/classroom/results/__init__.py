"""The grades of a class, as a table, as files for other programs, and as a report of its mistakes."""
