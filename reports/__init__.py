"""What is done with results: tables, statistics, plots and pages. Imports no torch."""
